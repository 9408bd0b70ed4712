import NATLab
import Testing

/// The harness itself: what it would see in faulty programs. Needs no laboratory.
struct HarnessTests {
    private func messages(_ texts: [String], every gap: Duration = .milliseconds(10)) -> [Journal.Message] {
        let start = ContinuousClock.now
        return texts.enumerated().map { Journal.Message(text: $1, time: start + gap * $0, path: nil) }
    }

    @Test func noticesLossRepetitionAndDisorder() {
        let said = ["alice 0", "alice 1", "alice 2"]
        #expect(Delivery(said: said, heard: messages(said)).isPerfect)
        #expect(Delivery(said: said, heard: messages(["alice 0", "alice 2"])).lost == ["alice 1"])
        #expect(
            Delivery(said: said, heard: messages(["alice 0", "alice 1", "alice 1", "alice 2"])).repeated == ["alice 1"])
        let disorder = Delivery(said: said, heard: messages(["alice 1", "alice 0", "alice 2"]))
        #expect(!disorder.isInOrder && disorder.lost.isEmpty && disorder.repeated.isEmpty)
        let ten = (0..<11).map { "alice \($0)" }
        #expect(Delivery(said: ten, heard: messages(ten)).isPerfect, "numbers are compared as numbers")
    }

    @Test func measuresThePauseThatACutMakes() {
        let heard =
            messages(["a 0", "a 1"])
            + messages(["a 2"]).map {
                Journal.Message(text: $0.text, time: $0.time + .milliseconds(500), path: nil)
            }
        let delivery = Delivery(said: [], heard: heard)
        let gap = delivery.longestGap(since: heard[0].time + .milliseconds(1), until: heard[2].time)
        #expect(gap > .milliseconds(400) && gap < .milliseconds(600))
        #expect(delivery.longestGap(since: heard[2].time) == .zero)
    }

    @Test func readsTheEventsOfTheContract() throws {
        var journal = Journal()
        let now = ContinuousClock.now
        let lines = [
            #"{"event":"ready","peer":"sotto1x"}"#,
            #"{"event":"session","contact":"bob","state":"online"}"#,
            #"{"event":"path","contact":"bob","path":"relay","rtt_ms":0.6,"since_start_ms":18,"verified":true}"#,
            #"{"event":"message","contact":"bob","id":"00","text":"bob 0","sent_at":"2026-01-01T00:00:00.000Z"}"#,
            #"{"event":"path","contact":"bob","path":"direct","rtt_ms":0.4,"since_start_ms":182.5,"verified":true}"#,
            #"{"event":"state","id":"01","contact":"bob","state":"delivered"}"#,
            #"{"event":"of a later version","more":[1]}"#,
        ]
        for line in lines { journal.take(.line(OutputLine(text: line, time: now))) }
        #expect(journal.isReady && journal.isOnline)
        #expect(journal.paths.map(\.kind) == ["relay", "direct"])
        #expect(journal.messages.first?.path == "relay")
        #expect(journal.paths.last?.sinceStart == 182.5)
        #expect(journal.states == ["01": "delivered"])
        #expect(journal.notJSON.isEmpty && journal.failures.isEmpty)
        journal.take(.line(OutputLine(text: #"{"event":"session","contact":"bob","state":"offline"}"#, time: now)))
        #expect(journal.path == nil)
        journal.take(.line(OutputLine(text: "no JSON", time: now)))
        journal.take(.ended(.code(1)))
        #expect(journal.notJSON == ["no JSON"] && journal.end == .code(1))
    }

    @Test func takesPercentilesByNearestRank() {
        let figures = Figures(values: (1...20).map { Double($0) })
        #expect(figures.percentile(0.5) == 10)
        #expect(figures.percentile(0.95) == 19)
        #expect(figures.percentile(1) == 20)
        #expect(Figures().percentile(0.5) == nil)
    }
}
