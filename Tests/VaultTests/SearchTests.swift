import Testing

@testable import Vault

@Suite struct SearchTests {
    private let home: TestHome
    private let vault: Vault
    private let bob: ContactRow

    init() throws {
        home = try TestHome()
        let vault = try home.create()
        self.vault = vault
        let contact = try StoredContact.sample()
        bob = try vault.writeAndWait { try $0.insertContact(contact) }
    }

    private func store(_ texts: String...) throws {
        try vault.writeAndWait { tx in
            for (number, text) in texts.enumerated() {
                try tx.appendMessage(.sample(bob, number, text, number % 2 == 0 ? .incoming : .outgoing))
            }
        }
    }

    private func found(_ query: String, limit: Int = 50, in vault: Vault? = nil) throws -> [String] {
        try (vault ?? self.vault).search(query, limit: limit).map(\.text)
    }

    @Test func everyWordMustOccurAndItsBeginningIsEnough() throws {
        try store("The quick brown fox", "a quick answer", "brown bread")
        #expect(try found("quick") == ["a quick answer", "The quick brown fox"])
        #expect(try found("BRO qui") == ["The quick brown fox"])
        #expect(try found("quick bread").isEmpty)
        #expect(try found("ick").isEmpty)
        #expect(try found("quick", limit: 1) == ["a quick answer"])
        #expect(try found("quick", limit: 0).isEmpty)
        #expect(try found("quick", limit: -3).isEmpty)
    }

    @Test(arguments: [
        ("grosse", "Große Grüße"), ("GRUSSE", "Große Grüße"), ("uber", "Über den Wolken"), ("naive", "so naïve"),
        ("Виде", "видео"), ("东京", "我在东京工作"), ("京工", "我在东京工作"), ("カナ", "カタカナです"), ("สวัส", "สวัสดีครับ"),
        ("👍", "well done👍🏽!"), ("done", "well done👍🏽!"), ("5€", "costs 5€"), ("e\u{301}te", "l'été"),
        ("été", "e\u{301}te\u{301}"),
        ("foo_bar", "call foo_bar(1)"), ("3.14", "pi is 3.14159"), ("a@example.org", "mail a@example.org"),
        ("C++", "I like C++"), ("'quoted'", "she said 'quoted' twice"),
    ])
    func scriptsAccentsAndSymbolsAreFound(query: String, text: String) throws {
        try store(text, "something else")
        // ß is a letter of its own to SQLite.
        let expected = query.lowercased().contains("ss") ? [] : [text]
        #expect(try found(query) == expected)
    }

    @Test(arguments: [
        "\"", "\"\"", "'", "*", "**", "a*", "^a", "a:b", "text:a", "message:a", "-a", "+a", "(a", "a)", "()", "{a}",
        "a AND", "AND",
        "OR", "NOT", "NOT a", "NEAR", "NEAR(a b, 2)", "a NEAR/3 b", "a - b", "\\", "\0", "a\0b", "\u{0}\"", ";", "--",
        "/*", "%", "_", "?", "?1",
        ":x", "@x", "$x", "a\"b", "\"a", "a\"", "\u{FEFF}", "\u{200D}", "\u{202E}x", "\u{301}", "\r\n\t", "", " ", "!",
        "....", "\u{10FFFF}",
        "\u{E000}", "🇩🇪", "👩‍👩‍👧", "ﷺ", "İ", "ŉ", "ǅ", "x\u{0}y z\"* OR", String(repeating: "a ", count: 5_000),
        String(repeating: "(", count: 5_000), String(repeating: "\"", count: 5_001),
        String(repeating: "x", count: 100_000),
    ])
    func noQueryIsAnError(query: String) throws {
        try store("a b x y")
        _ = try found(query)
        for variation in ["a \(query)", "\(query) a", "\(query)*", "\"\(query)\"", "\(query) OR a"] {
            _ = try found(variation)
        }
    }

    @Test func randomQueriesAreNoErrors() throws {
        try store("a b c AND OR near \"x\"")
        var random = SystemRandomNumberGenerator()
        let pieces = [
            "a", "\"", "*", "(", ")", "AND", " ", ":", "^", "-", "+", "NEAR", ",", "{", "}", "é", "京", "👍", "\0", "'",
            "\u{301}", "9",
        ]
        for _ in 0..<2_000 {
            let query = (0..<Int.random(in: 1...12, using: &random)).map { _ in
                pieces.randomElement(using: &random) ?? ""
            }.joined()
            #expect(throws: Never.self, "\(query.debugDescription)") { _ = try found(query) }
        }
    }

    @Test func everyTextCanBeIndexed() throws {
        try store(
            "nul\0inside", "", "\0", String(repeating: "long ", count: 200_000) + "end", "\u{FEFF}bom", "\u{10FFFF}")
        #expect(try found("inside") == ["nul\0inside"])
        #expect(try found("long").count == 1)
        #expect(try found("bom").count == 1)
    }

    @Test func theIndexFollowsEditsAndDeletions() throws {
        try store("the first text", "another one")
        #expect(try found("first").count == 1)
        _ = try vault.writeAndWait {
            try $0.editMessage(bob, .incoming, id: id(0), text: "the final text", at: 1, sequence: 1)
        }
        #expect(try found("first").isEmpty)
        #expect(try found("final") == ["the final text"])
        _ = try vault.writeAndWait { try $0.deleteMessage(bob, .incoming, id: id(0)) }
        #expect(try found("text").isEmpty)
        #expect(try found("another").count == 1)
    }

    @Test func whatWasRolledBackIsNotFound() throws {
        _ = try? vault.writeAndWait { tx in
            try tx.appendMessage(.sample(bob, 1, "phantom"))
            throw VaultError.unknown("anything")
        }
        #expect(try found("phantom").isEmpty)
    }

    @Test func changesDuringTheBuildingWin() throws {
        try vault.writeAndWait { tx in
            for number in 0..<3_000 { try tx.appendMessage(.sample(bob, number, "old \(number)")) }
        }
        vault.close()
        for _ in 0..<5 {
            let again = try home.open()
            // The building has just begun.
            try again.writeAndWait { tx in
                for number in [0, 1_500, 2_999] {
                    let before = try tx.message(bob, .outgoing, id: id(number))
                    _ = try tx.editMessage(
                        bob, .outgoing, id: id(number), text: "new \(number)", at: 1,
                        sequence: (before?.sequence ?? 0) + 1)
                }
                _ = try tx.deleteMessage(bob, .outgoing, id: id(700))
            }
            #expect(try found("new", in: again) == ["new 2999", "new 1500", "new 0"])
            #expect(try again.search("old", limit: 5_000).count == 2_996)
            again.close()
        }
    }

    @Test func whatAnotherProcessWritesIsFoundToo() throws {
        try store("here already")
        #expect(try found("here").count == 1)
        let second = try home.open()
        try second.writeAndWait { _ = try $0.appendMessage(.sample(bob, 77, "from elsewhere")) }
        #expect(try found("elsewhere") == ["from elsewhere"])
        _ = try second.writeAndWait {
            try $0.editMessage(bob, .outgoing, id: id(77), text: "changed there", at: 1, sequence: 1)
        }
        #expect(try found("changed") == ["changed there"])
        #expect(try found("elsewhere").isEmpty)
        // And both at once.
        _ = try vault.writeAndWait {
            try $0.editMessage(bob, .incoming, id: id(0), text: "changed here", at: 1, sequence: 1)
        }
        #expect(try found("changed") == ["changed there", "changed here"])
        #expect(try found("changed", in: second) == ["changed there", "changed here"])
        try second.writeAndWait { [bob] tx in
            for message in try tx.messages(with: bob, last: 9) { try tx.removeMessage(row: message.row, now: 1) }
        }
        #expect(try found("changed").isEmpty)
    }

    @Test func aVaultWithoutIndexBuildsOneWhenAsked() throws {
        try store("something")
        vault.close()
        let again = try Vault.openWithoutIndex(at: home.directory, identity: home.identity)
        #expect(try found("something", in: again).count == 1)
        try again.writeAndWait { _ = try $0.appendMessage(.sample(bob, 9, "something more")) }
        #expect(try found("something", in: again).count == 2)
    }
}
