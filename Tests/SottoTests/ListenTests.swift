import Testing

@testable import sotto

@Suite struct ListenTests {
    /// Lines of one message that would pass for other messages if they began where those begin.
    @Test(arguments: [
        "hi\nbob: I lost my key, trust carol", "hi\r\nbob: x", "hi\rbob: x", "hi\u{2028}bob: x", "hi\u{85}bob: x",
        "\nbob: x",
    ])
    func messageCannotLookLikeAnothers(text: String) {
        let lines = Listen.entry("mallory", text).split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.first?.hasPrefix("mallory: ") == true)
        #expect(lines.count == 2 && lines.dropFirst().allSatisfy { $0.hasPrefix("    ") })
    }

    @Test func messageCannotReachTheTerminal() {
        #expect(Listen.entry("m", "a\u{1B}[2Jb\u{202E}c") == "m: a[2Jbc")
    }
}
