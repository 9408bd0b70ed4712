/// Takes one direction of a WebSocket connection apart into frames, and repeats and reorders those that carry mail. Everything else passes as it is.
///
/// Works on bytes alone. Holds at most one frame back, and copies of a few.
package struct FrameShuffler {
    package struct Counts: Sendable, Codable, Equatable {
        package var mails = 0
        package var repeats = 0
        package var swaps = 0

        package init() {}

        static func + (one: Counts, other: Counts) -> Counts {
            var sum = one
            sum.mails += other.mails
            sum.repeats += other.repeats
            sum.swaps += other.swaps
            return sum
        }
    }

    /// Frames larger than this pass unseen: no mail is as large.
    static let largestFrame = 80 * 1024
    /// An HTTP head is not longer.
    static let largestHead = 16 * 1024
    static let opcodeBinary: UInt8 = 0x82

    private enum Stage {
        case head
        case frames
        /// So many bytes of a large frame are still to come.
        case passing(Int)
        /// What comes is no WebSocket.
        case transparent
    }

    /// The first byte of a payload that is mail: 0x14 from the server, 0x11 to it.
    private let mailType: UInt8
    private let repeats: Double
    private let swaps: Double
    private var random: SeededRandom
    private var stage = Stage.head
    private var buffer: [UInt8] = []
    private var held: [UInt8]?
    /// Copies that follow after so many more mails.
    private var copies: [(left: Int, frame: [UInt8])] = []
    package private(set) var counts = Counts()

    package init(mailType: UInt8, repeats: Double, swaps: Double, random: SeededRandom) {
        self.mailType = mailType
        self.repeats = repeats
        self.swaps = swaps
        self.random = random
    }

    /// Whether a frame waits for the next mail, to change places with it.
    package var isHolding: Bool { held != nil }

    /// What is to be passed on now that these bytes have come.
    package mutating func feed(_ bytes: [UInt8]) -> [UInt8] {
        buffer += bytes
        var output: [UInt8] = []
        var position = 0
        while advance(&position, &output) {}
        buffer.removeFirst(position)
        return output
    }

    /// Lets go of what waits, because nothing came to change places with.
    package mutating func release() -> [UInt8] {
        defer { held = nil }
        return held ?? []
    }

    /// Takes the next piece from the buffer; false when it is not all there.
    private mutating func advance(_ position: inout Int, _ output: inout [UInt8]) -> Bool {
        let rest = buffer[position...]
        guard !rest.isEmpty else { return false }
        switch stage {
        case .transparent:
            output += rest
            position = buffer.count
            return false
        case .head:
            guard let end = Self.endOfHead(rest) else {
                if rest.count > Self.largestHead { stage = .transparent }
                return rest.count > Self.largestHead
            }
            output += buffer[position..<end]
            position = end
            stage = .frames
        case .passing(let count):
            let part = rest.prefix(count)
            output += part
            position += part.count
            stage = part.count == count ? .frames : .passing(count - part.count)
        case .frames:
            guard let header = FrameHeader(rest) else { return false }
            guard header.payload <= Self.largestFrame else {
                stage = .passing(header.payload.addingReportingOverflow(header.size).partialValue)
                return true
            }
            let size = header.size + header.payload
            guard rest.count >= size else { return false }
            pass(Array(rest.prefix(size)), header, &output)
            position += size
        }
        return true
    }

    private mutating func pass(_ frame: [UInt8], _ header: FrameHeader, _ output: inout [UInt8]) {
        guard header.first == Self.opcodeBinary, header.payload > 0,
            frame[header.size] ^ header.mask == mailType
        else {
            output += frame
            return
        }
        counts.mails += 1
        if let earlier = held {
            counts.swaps += 1
            held = nil
            output += frame + earlier
        } else if random.chance(swaps) {
            held = frame
        } else {
            output += frame
        }
        for index in copies.indices { copies[index].left -= 1 }
        for copy in copies where copy.left <= 0 { output += copy.frame }
        copies.removeAll { $0.left <= 0 }
        if copies.count < 4, random.chance(repeats) {
            counts.repeats += 1
            let delay = Int.random(in: 0...3, using: &random)
            if delay == 0, held == nil { output += frame } else { copies.append((delay + 1, frame)) }
        }
    }

    private static func endOfHead(_ bytes: ArraySlice<UInt8>) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for index in bytes.startIndex...(bytes.endIndex - 4) where bytes[index] == 13 {
            if bytes[index + 1] == 10, bytes[index + 2] == 13, bytes[index + 3] == 10 { return index + 4 }
        }
        return nil
    }
}

/// The first bytes of a WebSocket frame (RFC 6455 §5.2).
private struct FrameHeader {
    let first: UInt8
    /// Size of the header, the masking key included.
    let size: Int
    let payload: Int
    /// What the first byte of the payload is masked with.
    let mask: UInt8

    /// Nil when not all of it is there.
    init?(_ bytes: ArraySlice<UInt8>) {
        let start = bytes.startIndex
        guard bytes.count >= 2 else { return nil }
        first = bytes[start]
        let isMasked = bytes[start + 1] & 0x80 != 0
        let short = Int(bytes[start + 1] & 0x7F)
        let lengthSize = short == 126 ? 2 : short == 127 ? 8 : 0
        size = 2 + lengthSize + (isMasked ? 4 : 0)
        guard bytes.count >= size else { return nil }
        if lengthSize == 0 {
            payload = short
        } else {
            let length = bytes[(start + 2)..<(start + 2 + lengthSize)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            payload = Int(min(length, 1 << 40))
        }
        mask = isMasked ? bytes[start + size - 4] : 0
    }
}
