import ChaosLab
import Testing

@Suite struct ScheduleTests {
    private func options(seed: UInt64) -> ChaosOptions {
        var options = ChaosOptions(programs: "")
        options.seed = seed
        return options
    }

    @Test func isTheSameForTheSameSeed() {
        func told(_ seed: UInt64) -> [String] { Schedule(options(seed: seed)).steps.map { "\($0)" } }
        #expect(told(7) == told(7))
        #expect(told(7) != told(8))
    }

    @Test func hasAsMuchOfEverythingAsWasAskedFor() {
        let steps = Schedule(options(seed: 3)).steps
        var (kills, cuts, fills) = (0, 0, 0)
        for step in steps {
            switch step.fault {
            case .kill(let each): kills += each.count
            case .cut: cuts += 1
            case .fill: fills += 1
            }
        }
        #expect((500...501).contains(kills))
        #expect(cuts == 200)
        #expect(fills == 40)
        #expect(zip(steps, steps.dropFirst()).allSatisfy { $0.after <= $1.after })
        #expect(steps.allSatisfy { $0.after > 0 && $0.after < 100_000 })
    }

    @Test func textsSayWhoWroteThemAndCannotBeMistaken() {
        let texts = MessageText(seed: 5)
        for number in 1...2_000 {
            let text = texts.text(number, of: .bob)
            #expect(text.utf8.count <= 61 * 1024)
            let author = texts.author(of: text)
            #expect(author?.part == .bob && author?.number == number)
            #expect(texts.author(of: text + "x") == nil)
            #expect(texts.author(of: String(text.dropLast(2))) == nil)
        }
        #expect(texts.text(1, of: .alice) != texts.text(1, of: .bob))
        #expect(texts.author(of: "something else") == nil)
    }
}
