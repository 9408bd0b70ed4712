import CSotto
import Glibc
import Testing
import Wire

extension ICETests {
    @Suite struct Bursts {
        /// Sends to a socket of this process and returns what arrived, the result and the bytes that are said to be sent.
        private func send(
            _ bytes: [UInt8], segment: UInt16, segmentation: UnsafeMutablePointer<Bool>?
        ) throws -> (heard: [[UInt8]], error: Int32, sent: Int) {
            let (sender, receiver) = (try SilentSocket(), try SilentSocket())
            var sent = 0
            let error = receiver.withAddress { address, length in
                sotto_udp_send(sender.descriptor, address, length, bytes, bytes.count, segment, segmentation, &sent)
            }
            return (receiver.receiveAll(), error, sent)
        }

        @Test(arguments: [true, false], [1, 2, 63, 64, 65, 130])
        func withAndWithoutSegmentationTheSameArrives(segmentation: Bool, count: Int) throws {
            var allowed = segmentation
            let bytes = (0..<(count * 9 - 4)).map { UInt8(truncatingIfNeeded: $0) }
            let result = try send(bytes, segment: 9, segmentation: &allowed)
            #expect(result.error == 0)
            #expect(result.sent == bytes.count)
            #expect(allowed == segmentation)
            #expect(result.heard.count == count)
            #expect(result.heard.dropLast().allSatisfy { $0.count == 9 })
            #expect(result.heard.flatMap { $0 } == bytes)
        }

        @Test func withoutASegmentSizeItIsOneDatagram() throws {
            #expect(try send([1, 2, 3], segment: 0, segmentation: nil).heard == [[1, 2, 3]])
            #expect(try send([1, 2, 3], segment: 3, segmentation: nil).heard == [[1, 2, 3]])
            #expect(try send([1, 2, 3], segment: 1000, segmentation: nil).heard == [[1, 2, 3]])
        }

        @Test func segmentsThatAreTooLargeSendNothing() throws {
            let result = try send([UInt8](repeating: 0, count: 65_530 * 2), segment: 65_530, segmentation: nil)
            #expect(result.error == EMSGSIZE)
            #expect(result.sent == 0)
            #expect(result.heard.isEmpty)
        }

        @Test func largeSegmentsAreSplitIntoSeveralCalls() throws {
            let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 >> 8) }
            let result = try send(bytes, segment: 20_000, segmentation: nil)
            #expect(result.error == 0)
            #expect(result.heard.map(\.count) == [Int](repeating: 20_000, count: 5))
        }

        @Test func errorsOfTheDescriptorAreReported() {
            #expect(sotto_udp_send(-1, nil, 0, [1], 1, 0, nil, nil) == EBADF)
        }
    }
}
