// The benchmark stream: a bidirectional stream of its own, opened by who asks (docs/protocol/session.md, "Benchmark").
//
//     stream  = kind u8 = 0x01 ‖ frame …          the kind comes from who opened the stream only
//     frame   = type u8 ‖ length u32 ‖ body
//
//     01 OPEN      version u8 = 1                          asker; first
//     02 REFUSED   reason u8                               answerer; it will not take part
//     03 READY     empty                                   answerer; it will
//     04 BEGIN     phase u8 ‖ milliseconds u32             asker; 1 upload, 2 download, 3 echo
//     05 DATA      ≤ 64 KiB, of no meaning                 who sends in this phase
//     06 END       empty                                   who sends in this phase, in the echo phase the asker
//     07 REPORT    bytes u64 ‖ elapsed u64 ‖ processor u64 ‖ memory u64     answerer; after each phase. Times in nanoseconds
//     08 ECHO      1–1024 bytes, to be sent back           asker
//     09 ECHOED    the same bytes                          answerer
//
// Bytes after the last known field of OPEN, READY and REPORT belong to later versions and are ignored, up to 256 in all.

/// A frame of the benchmark stream.
package enum BenchmarkFrame: Hashable, Sendable {
    case open(version: UInt8)
    case refused(BenchmarkRefusal)
    case ready
    case begin(BenchmarkPhase, milliseconds: UInt32)
    /// So many bytes of DATA; the decoder gives them in the pieces in which they come.
    case data(Int)
    case end
    case report(BenchmarkCount)
    case echo([UInt8])
    case echoed([UInt8])

    /// First byte of the stream.
    package static let streamKind: UInt8 = 0x01
    /// What OPEN says.
    package static let version: UInt8 = 1
    /// Size of type and length in bytes.
    package static let headerSize = 5
    /// Largest body of DATA in bytes.
    package static let maximumData = 64 << 10
    /// Largest body of ECHO and ECHOED in bytes.
    package static let maximumEcho = 1024
    /// Largest body of any other frame in bytes.
    package static let maximumControl = 256
    /// Longest phase that may be asked for, in milliseconds.
    package static let maximumMilliseconds: UInt32 = 60_000

    /// The frame as it travels; DATA with zeros as its body.
    package func encode() -> [UInt8] {
        var body = ByteWriter(capacity: 32)
        switch self {
        case .open(let version): body.write(version)
        case .refused(let reason): body.write(reason.rawValue)
        case .begin(let phase, let milliseconds):
            body.write(phase.rawValue)
            body.write(milliseconds)
        case .data(let count): body.write([UInt8](repeating: 0, count: max(0, min(count, Self.maximumData))))
        case .report(let count):
            for value in [count.bytes, count.elapsed, count.processor, count.memory] { body.write(value) }
        case .echo(let bytes), .echoed(let bytes): body.write(bytes.prefix(Self.maximumEcho))
        case .ready, .end: break
        }
        var frame = ByteWriter(capacity: Self.headerSize + body.bytes.count)
        frame.write(type)
        frame.write(UInt32(truncatingIfNeeded: body.bytes.count))
        frame.write(body.bytes)
        return frame.bytes
    }

    private var type: UInt8 {
        switch self {
        case .open: 0x01
        case .refused: 0x02
        case .ready: 0x03
        case .begin: 0x04
        case .data: Self.dataType
        case .end: 0x06
        case .report: 0x07
        case .echo: 0x08
        case .echoed: 0x09
        }
    }

    static let dataType: UInt8 = 0x05

    /// Reads a body whose length was found to be within ``limit(of:)``.
    static func decode(_ type: UInt8, _ body: ArraySlice<UInt8>) throws(WireError) -> BenchmarkFrame {
        var reader = ByteReader(body)
        switch type {
        case 0x01: return .open(version: try reader.readUInt8())
        case 0x02: return .refused(BenchmarkRefusal(rawValue: try reader.readUInt8()) ?? .unwilling)
        case 0x03: return .ready
        case 0x04:
            guard let phase = BenchmarkPhase(rawValue: try reader.readUInt8()) else { throw .invalidValue }
            let milliseconds = try reader.readUInt32()
            guard (1...maximumMilliseconds).contains(milliseconds) else { throw .invalidValue }
            try reader.finish()
            return .begin(phase, milliseconds: milliseconds)
        case 0x06:
            try reader.finish()
            return .end
        case 0x07: return .report(try BenchmarkCount(&reader))
        case 0x08, 0x09:
            guard reader.remaining > 0 else { throw .lengthOutOfRange }
            let bytes = Array(reader.readRest())
            return type == 0x08 ? .echo(bytes) : .echoed(bytes)
        default: throw .unsupported(type)
        }
    }

    /// Longest body of a type in bytes.
    static func limit(of type: UInt8) throws(WireError) -> Int {
        switch type {
        case dataType: maximumData
        case 0x08, 0x09: maximumEcho
        case 0x01...0x07: maximumControl
        default: throw .unsupported(type)
        }
    }
}

/// What is measured at a time.
package enum BenchmarkPhase: UInt8, Sendable, CaseIterable {
    /// The asker sends as much as it can.
    case upload = 1
    /// The answerer does.
    case download = 2
    /// Small frames go back and forth, one at a time.
    case echo = 3
}

/// Why a benchmark is refused.
package enum BenchmarkRefusal: UInt8, Sendable {
    /// The answerer's user does not offer it, or not to this asker.
    case unwilling = 1
    /// It measures with somebody already.
    case busy = 2
    /// It does not speak this version.
    case version = 3
}

/// What the answerer counted in a phase. Its own word, and no more: processor time and memory cannot be checked.
package struct BenchmarkCount: Hashable, Sendable {
    /// Bytes of DATA, or of ECHO, that it sent or received.
    package var bytes: UInt64
    /// Nanoseconds from BEGIN to the report.
    package var elapsed: UInt64
    /// Nanoseconds of processor time that its process used meanwhile.
    package var processor: UInt64
    /// Bytes of memory that its process occupies.
    package var memory: UInt64

    package init(bytes: UInt64, elapsed: UInt64, processor: UInt64, memory: UInt64) {
        self.bytes = bytes
        self.elapsed = elapsed
        self.processor = processor
        self.memory = memory
    }

    /// Nothing that a machine can have or do reaches this (36 years, 1 EiB).
    private static let plausible: UInt64 = 1 << 60

    fileprivate init(_ reader: inout ByteReader) throws(WireError) {
        bytes = try reader.readUInt64()
        elapsed = try reader.readUInt64()
        processor = try reader.readUInt64()
        memory = try reader.readUInt64()
        for value in [bytes, elapsed, processor, memory] where value > Self.plausible { throw .invalidValue }
    }
}

/// Cuts a benchmark stream into frames. Keeps no DATA: at most one other frame that has not come as a whole.
package struct BenchmarkFrameDecoder: Sendable {
    private var pending: [UInt8] = []
    /// Bytes of the DATA frame that have not come yet.
    private var dataLeft = 0

    package init() {}

    /// Takes the next frame off the front of `bytes`: all of DATA that is there, or another frame once it is whole. `nil` when nothing more can be
    /// read; `bytes` is empty then. Throws for what no version may send; the stream means nothing after that.
    package mutating func next(_ bytes: inout ArraySlice<UInt8>) throws(WireError) -> BenchmarkFrame? {
        while !bytes.isEmpty {
            if dataLeft > 0 {
                let count = min(dataLeft, bytes.count)
                bytes = bytes.dropFirst(count)
                dataLeft -= count
                return .data(count)
            }
            take(BenchmarkFrame.headerSize, from: &bytes)
            guard pending.count >= BenchmarkFrame.headerSize else { return nil }
            var reader = ByteReader(pending)
            let type = try reader.readUInt8()
            let length = Int(try reader.readUInt32())
            guard length <= (try BenchmarkFrame.limit(of: type)) else { throw .lengthOutOfRange }
            if type == BenchmarkFrame.dataType {
                pending.removeAll(keepingCapacity: true)
                dataLeft = length
                continue
            }
            take(BenchmarkFrame.headerSize + length, from: &bytes)
            guard pending.count == BenchmarkFrame.headerSize + length else { return nil }
            defer { pending.removeAll(keepingCapacity: true) }
            return try BenchmarkFrame.decode(type, pending[BenchmarkFrame.headerSize...])
        }
        return nil
    }

    /// Fills `pending` up to `count` bytes.
    private mutating func take(_ count: Int, from bytes: inout ArraySlice<UInt8>) {
        let missing = max(0, count - pending.count)
        pending.append(contentsOf: bytes.prefix(missing))
        bytes = bytes.dropFirst(missing)
    }
}
