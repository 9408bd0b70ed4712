import Testing

/// The parts of Sotto depend on each other in one direction only. See `ModuleGraph` for the rules and their reasons.
@Suite struct ModuleGraphTests {
    @Test(arguments: ModuleGraph.rules.map(\.module))
    func importsOnlyWhatItsRuleAllows(module: String) throws {
        let rule = try #require(ModuleGraph.rule(for: module))
        for file in Repository.files(below: rule.folder) {
            let violations = rule.violations(in: try Repository.read(file), file: file)
            #expect(violations.isEmpty, "\(violations.joined(separator: "\n"))")
        }
    }

    @Test func everyModuleHasARule() throws {
        let ruled = Set(ModuleGraph.rules.map(\.folder))
        for parent in Repository.moduleParents {
            for module in try Repository.modules(in: parent) where !ModuleGraph.cModules.contains(module) {
                // Tests of one module use that module and their tools; the laboratory has rules of its own.
                if parent == "Tests", module.hasSuffix("Tests"), !module.hasPrefix("NAT") { continue }
                let folder = "\(parent)/\(module)"
                if Repository.files(below: folder).isEmpty { continue }
                #expect(ruled.contains(folder), "\(folder) has no rule: say in ModuleGraph what it may import, and why")
            }
        }
    }

    @Test func arrowsPointDown() throws {
        for rule in ModuleGraph.rules {
            for name in rule.own where !ModuleGraph.cModules.contains(name) {
                let imported = try #require(ModuleGraph.rule(for: name), "\(rule.module) may import unknown \(name)")
                #expect(imported.layer <= rule.layer, "\(rule.module) may import \(name), which lies above it")
                #expect(!reaches(from: name, to: rule.module), "\(rule.module) and \(name) may import each other")
            }
        }
    }

    /// Tests of other modules are not exempt: what only one module can call is reached through that module.
    @Test(arguments: Repository.moduleParents)
    func librariesWithOneUserHaveOneUser(parent: String) throws {
        for file in Repository.files(below: parent) {
            for found in ImportDeclaration.all(in: try Repository.read(file)) {
                guard let user = ModuleGraph.soleUsers[found.module] else { continue }
                let folders = [ModuleGraph.rule(for: user)?.folder ?? user, "Tests/\(user)Tests"]
                #expect(
                    folders.contains { file.hasPrefix($0 + "/") },
                    "\(file):\(found.line): only \(user) may import \(found.module)")
            }
        }
    }

    @Test(arguments: ModuleGraph.rules.filter { $0.layer == .pure }.map(\.module))
    func pureModuleNamesNoClockAndNoTask(module: String) throws {
        let impure: Set<Substring> = [
            "async", "await", "Task", "ContinuousClock", "SuspendingClock", "SystemRandomNumberGenerator", "Dispatch",
        ]
        let rule = try #require(ModuleGraph.rule(for: module))
        for file in Repository.files(below: rule.folder) {
            let code = SourceText.withoutCommentsAndStrings(try Repository.read(file))
            for line in SourceText.numberedLines(code) {
                let words = line.text.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
                let found = words.filter(impure.contains)
                #expect(found.isEmpty, "\(file):\(line.number): \(module) uses \(found). \(rule.reason)")
            }
        }
    }

    private func reaches(from: String, to: String) -> Bool {
        from == to || (ModuleGraph.rule(for: from)?.own ?? []).contains { reaches(from: $0, to: to) }
    }
}
