/// The texts that are written: each says who wrote it and which number it has, and the rest follows from the seed. So whoever reads one knows what it has to
/// be, letter by letter.
package struct MessageText: Sendable {
    private let seed: UInt64
    /// What every text begins with; no other bytes of a run do.
    package let marker: String
    /// What the rest is made of.
    package let words: [String]

    package init(seed: UInt64) {
        self.seed = seed
        var random = SeededRandom(seed: seed, purpose: "words")
        let letters = Array("abcdefghijklmnopqrstuvwxyz")
        func word(_ count: Int) -> String { String((0..<count).map { _ in random.pick(letters) }) }
        marker = word(10)
        words =
            (0..<24).map { _ in word(Int.random(in: 9...13, using: &random)) } + ["żółw-\(word(8))", "雪🌨\(word(8))"]
    }

    /// The text with a number, 1…, of one of the people.
    package func text(_ number: Int, of author: Part) -> String {
        var random = SeededRandom(seed: seed &+ UInt64(truncatingIfNeeded: number), purpose: author.rawValue)
        let head = "\(marker) \(author.rawValue) \(number) "
        let size = Self.size(&random)
        var text = head
        var count = head.utf8.count
        while count < size {
            let word = random.pick(words)
            count += word.utf8.count + 1
            text += word
            text += random.chance(0.05) ? "\n" : " "
        }
        return text
    }

    /// Bytes: mostly short, up to 4,000, now and then 60 KiB.
    private static func size(_ random: inout SeededRandom) -> Int {
        if random.chance(0.002) { return 60 * 1024 }
        // Each order of magnitude is as likely as the others.
        var size = 1.0
        let factor = Double.random(in: 0...3.602, using: &random)
        for _ in 0..<Int(factor) { size *= 10 }
        return Int(size * (1 + 9 * (factor - factor.rounded(.down))))
    }

    /// Who wrote a text, and its number; nil unless it is exactly as it was written.
    package func author(of text: String) -> (part: Part, number: Int)? {
        let parts = text.prefix(64).split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == marker, let part = Part(rawValue: String(parts[1])),
            let number = Int(parts[2]), number > 0, text == self.text(number, of: part)
        else { return nil }
        return (part, number)
    }
}
