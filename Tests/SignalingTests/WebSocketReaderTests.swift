import NIOCore
import NIOPosix
import NIOWebSocket
import TestTools
import Testing
import Wire

@testable import SignalingServer

@Suite struct WebSocketReaderTests {
    private static let lengths = [0, 1, 2, 31, 32, 33, 125, 126, 127, 300, 4096, 65_506, 65_535, 65_536, 70_000]

    private static func payload(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    /// Everything that comes of `pieces`.
    private static func read(_ pieces: [ArraySlice<UInt8>], limit: Int = 1 << 20) throws -> [(UInt8, Bool, [UInt8])] {
        var reader = WebSocketReader()
        var frames: [(UInt8, Bool, [UInt8])] = []
        for piece in pieces {
            var input = ByteBuffer(bytes: piece)
            while var frame = try reader.next(&input, limit: limit) {
                let payload = frame.takePayload()
                frames.append((UInt8(webSocketOpcode: frame.opcode), frame.isFinal, Array(payload.readableBytesView)))
            }
            #expect(input.readableBytes == 0)
        }
        return frames
    }

    @Test(arguments: lengths)
    func readsAFrameWhereverItIsCut(length: Int) throws {
        let payload = Self.payload(length)
        let bytes = RawConnection.frame(2, payload)
        let cuts = length <= 300 ? Array(0...bytes.count) : [1, 2, 3, 9, 13, 14, 15, 17, 4000, bytes.count - 1]
        for cut in cuts {
            let frames = try Self.read([bytes[..<cut], bytes[cut...]])
            #expect(frames.count == 1 && frames.first?.0 == 2 && frames.first?.1 == true)
            #expect(frames.first?.2 == payload, "cut at \(cut)")
        }
    }

    @Test func readsFramesByteByByteInTheirOrder() throws {
        let payloads = (0..<20).map { Self.payload($0 * 13) }
        let bytes = payloads.flatMap { RawConnection.frame(2, $0) }
        let single = try Self.read(bytes.indices.map { bytes[$0...$0] })
        let whole = try Self.read([bytes[...]])
        #expect(single.map(\.2) == payloads)
        #expect(whole.map(\.2) == payloads)
    }

    @Test func theMaskComesOffAtEveryLengthAndOffset() throws {
        let key: [UInt8] = [0x1F, 0x80, 0x03, 0xE5]
        let word = try #require(ByteBuffer(bytes: key).getInteger(at: 0, endianness: .host, as: UInt32.self))
        for offset in 0..<9 {
            for count in 0...100 {
                let bytes = Self.payload(count)
                var input = ByteBuffer(bytes: bytes)
                var output = ByteBuffer()
                Mask(word).copy(&input, count, to: &output, offset: offset)
                let expected = bytes.enumerated().map { $1 ^ key[($0 + offset) % 4] }
                #expect(Array(output.readableBytesView) == expected, "\(count) bytes from \(offset)")
                #expect(input.readableBytes == 0)
            }
        }
    }

    @Test(arguments: lengths)
    func whatIsReadCanBeSentOnWithTheHeaderInFront(length: Int) throws {
        let payload = Self.payload(length)
        var input = ByteBuffer(bytes: RawConnection.frame(2, payload))
        var reader = WebSocketReader()
        var frame = try #require(try reader.next(&input, limit: 1 << 20))
        var message = frame.takePayload()
        message.moveReaderIndex(to: 0)
        #expect(message == ServerFrame.make(.binary, payload))
    }

    /// The attack: announce much, send nothing, many times over.
    @Test func anAnnouncedPayloadTakesLittleMemoryUntilItComes() throws {
        var reader = WebSocketReader()
        let bytes = RawConnection.frame(2, Self.payload(65_000))
        var input = ByteBuffer(bytes: bytes[..<20])
        #expect(try reader.next(&input, limit: 70_000) == nil)
        #expect(reader.memory <= 8192)
        input = ByteBuffer(bytes: bytes[20..<3000])
        #expect(try reader.next(&input, limit: 70_000) == nil)
        #expect(reader.memory <= 16_384)
        input = ByteBuffer(bytes: bytes[3000...])
        #expect(try reader.next(&input, limit: 70_000)?.length == 65_000)
        #expect(reader.memory == 0)
    }

    @Test func refusesWhatIsNoFrameOfAClientByItsHeaderAlone() throws {
        let wrong: [([UInt8], FrameError)] = [
            ([0x82, 0x01], .malformed), ([0xC2, 0x81], .malformed), ([0x09, 0x80], .malformed),
            ([0x89, 0xFE], .malformed), ([0x89, 0xFF], .malformed),
            ([0x82, 0xFE, 0xFF, 0xFF, 1, 2, 3, 4], .tooLarge),
            ([0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4], .tooLarge),
            ([0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4], .tooLarge),
        ]
        for (bytes, error) in wrong {
            // A header that is cut is no reason yet; one that is whole is.
            #expect(throws: error) { try Self.read([(bytes + [0, 0, 0, 0])[...]], limit: 1000) }
            #expect(throws: error) { try Self.read((bytes + [0, 0, 0, 0]).map { [$0][...] }, limit: 1000) }
        }
    }

    @Test func noBytesWhateverBringItDown() {
        var random = SeededGenerator(seed: 4)
        for _ in 0..<20_000 {
            var reader = WebSocketReader()
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                var bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                if bytes.count > 1, Bool.random(using: &random) { (bytes[0], bytes[1]) = (0x82, bytes[1] | 0x80) }
                var input = ByteBuffer(bytes: bytes)
                do { while try reader.next(&input, limit: 4096) != nil {} } catch { break }
            }
            #expect(reader.memory <= 16_384)
        }
    }

    @Test func aReadBufferThatSomebodyHoldsIsNotWrittenOver() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let (kept, first, second) = try await loop.submit {
            let buffers = ReadBuffers(loop)
            var first = buffers.take()
            first.writeString("what was read")
            let kept = first
            buffers.give(first)
            var second = buffers.take()
            second.writeString("something else")
            return (kept, first, second)
        }.get()
        #expect(String(buffer: kept) == "what was read")
        #expect(first.storageCapacity == second.storageCapacity)
    }

    @Test func onlyBuffersOfTheLoopComeBack() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let taken = try await loop.submit {
            let buffers = ReadBuffers(loop)
            buffers.give(ByteBuffer(repeating: 1, count: 10))
            return buffers.take()
        }.get()
        #expect(taken.readableBytes == 0 && taken.storageCapacity == ReadBuffers.size)
    }

    /// A channel keeps an allocator of three words in place; a larger one would be memory, and a cache line, of its own for each connection.
    @Test func theAllocatorOfReadBuffersIsSmall() {
        #expect(MemoryLayout<ReadBufferAllocator>.size <= 3 * MemoryLayout<Int>.size)
    }
}
