import ICE
import NIOCore
import NIOPosix
import Paths
import Wire

/// How the packets of a direct path come in.
package enum DataPlane: String, Sendable {
    /// The kernel hands them to a socket of ours, many at a time. So it does where a port search found the path.
    case steered
    /// libnice reads them, one at a time: relayed pairs, and systems that cannot steer.
    case library
}

/// Reads a ``SteeredSocket`` on the event loop of its sessions.
///
/// SwiftNIO says when there is something and reads the first datagram; the others of the moment are read here, into one buffer that is used
/// again and again.
final class SteeredReader {
    /// Reads of one moment, besides the first. After them timers and other connections get their turn.
    static let maximumReads = 15

    /// The address of both sockets.
    let local: Endpoint
    /// The path to which what arrives is counted: that of the pair which the socket follows.
    private(set) var path: PathID
    /// Bytes of one or more packets, the size of each but the last, and the path that they came on.
    typealias Receiver = (UnsafeRawBufferPointer, Int, PathID) -> Void

    /// Packets that came here.
    private(set) var packets: UInt64 = 0
    private let socket: SteeredSocket
    private let loop: any EventLoop
    private let receive: Receiver
    private let ended: () -> Void
    private(set) var channel: (any Channel)?
    private var isOpen = true
    private var isFollowing = true
    // Safety: this object's own from `init` to `deinit`; `drain`, which does not nest, is its only user.
    private let buffer: UnsafeMutableRawBufferPointer
    private var isDraining = false

    /// Begins to read what comes from the pair's remote address; nil where that cannot be done.
    ///
    /// - Parameters:
    ///   - receive: called on the loop, never from within a call to this object.
    ///   - ended: called on the loop when the socket is gone without `close()`: everything comes by libnice again.
    static func open(
        _ pair: PairSocket, path: PathID, loop: any EventLoop, receive: @escaping Receiver, ended: @escaping () -> Void
    ) -> SteeredReader? {
        // Loops of tests have no sockets.
        guard DatagramBootstrap(validatingGroup: loop) != nil, let socket = pair.steer() else { return nil }
        return open(socket, local: pair.local, path: path, loop: loop, receive: receive, ended: ended)
    }

    /// Begins to read a socket, and takes it over; nil, and it stays the caller's, on a loop that cannot read any.
    static func open(
        _ socket: SteeredSocket, local: Endpoint, path: PathID, loop: any EventLoop, receive: @escaping Receiver,
        ended: @escaping () -> Void
    ) -> SteeredReader? {
        guard let bootstrap = DatagramBootstrap(validatingGroup: loop) else { return nil }
        let reader = SteeredReader(socket, local: local, path: path, loop: loop, receive: receive, ended: ended)
        reader.register(bootstrap)
        return reader
    }

    private init(
        _ socket: SteeredSocket, local: Endpoint, path: PathID, loop: any EventLoop, receive: @escaping Receiver,
        ended: @escaping () -> Void
    ) {
        self.socket = socket
        self.local = local
        self.path = path
        self.loop = loop
        self.receive = receive
        self.ended = ended
        buffer = .allocate(byteCount: SteeredSocket.maximumRead, alignment: 16)
    }

    deinit {
        buffer.deallocate()
    }

    /// Whether what comes by this pair comes here.
    var isActive: Bool { isOpen && isFollowing }

    /// Takes a new pair of the same local address: what it brings comes here instead. What came by the one before is not lost.
    func follow(_ pair: PairSocket, path: PathID) {
        guard isOpen else { return }
        self.path = path
        isFollowing = socket.follow(pair)
    }

    /// Ends reading: what has arrived is still delivered, soon, and what comes from now on goes to libnice.
    func close() {
        guard isOpen else { return }
        isFollowing = false
        socket.release()
        let bound = NIOLoopBound(self, eventLoop: loop)
        loop.execute {
            bound.value.drain(limit: .max)
            bound.value.abandon()
        }
    }

    /// Ends reading at once; nothing is delivered any more. Idempotent.
    func abandon() {
        guard isOpen else { return }
        isOpen = false
        channel?.close(promise: nil)
        channel = nil
    }

    // MARK: Reading

    private func register(_ bootstrap: DatagramBootstrap) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        bootstrap
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: SteeredSocket.maximumRead))
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelOption(.datagramReceiveSegmentSize, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(SteeredHandler(bound.value))
                }
            }
            .withBoundSocket(socket.descriptor)
            .assumeIsolated()
            .whenComplete { result in
                let reader = bound.value
                switch result {
                case .success(let channel) where reader.isOpen: reader.channel = channel
                case .success(let channel): channel.close(promise: nil)
                // The descriptor is closed.
                case .failure: reader.lost()
                }
            }
    }

    fileprivate func received(_ envelope: AddressedEnvelope<ByteBuffer>) {
        guard isOpen else { return }
        envelope.data.withUnsafeReadableBytes { bytes in
            deliver(bytes, segmentSize: envelope.metadata?.segmentSize ?? bytes.count)
        }
        drain(limit: Self.maximumReads)
    }

    /// The socket is gone, though nobody closed it here.
    fileprivate func lost() {
        guard isOpen else { return }
        isOpen = false
        channel = nil
        ended()
    }

    private func drain(limit: Int) {
        guard !isDraining else { return }
        isDraining = true
        defer { isDraining = false }
        var reads = 0
        while isOpen, reads < limit, let batch = socket.read(into: buffer) {
            reads += 1
            deliver(UnsafeRawBufferPointer(rebasing: buffer[..<batch.length]), segmentSize: batch.segmentSize)
        }
    }

    private func deliver(_ bytes: UnsafeRawBufferPointer, segmentSize: Int) {
        guard !bytes.isEmpty, segmentSize > 0 else { return }
        if segmentSize < bytes.count, Self.hidesRequest(bytes, segmentSize: segmentSize) { socket.separate() }
        packets += UInt64((bytes.count + segmentSize - 1) / segmentSize)
        receive(bytes, segmentSize, path)
    }

    /// Whether a STUN request or response is among the datagrams that the system joined. The kernel looks at the first byte of the first
    /// of them only; where a network card joins them, that may bring a check along that libnice waits for. It is repeated, and must come alone
    /// then. Indications (keepalives) are answered by nobody.
    private static func hidesRequest(_ bytes: UnsafeRawBufferPointer, segmentSize: Int) -> Bool {
        var start = segmentSize
        while start < bytes.count {
            // RFC 8489 §5: two zero bits, then method and class; the class of an indication is 0b01 (bits 4 and 8).
            if bytes[start] < 0x40, bytes.count - start > 1, bytes[start] & 1 != 0 || bytes[start + 1] & 0x10 == 0 {
                return true
            }
            start += segmentSize
        }
        return false
    }
}

/// Between SwiftNIO's channel and the reader.
private final class SteeredHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let reader: SteeredReader

    init(_ reader: SteeredReader) { self.reader = reader }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { reader.received(unwrapInboundIn(data)) }

    // Errors of single reads mean nothing here: one that ends the channel makes it inactive.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}

    func channelInactive(context: ChannelHandlerContext) {
        reader.lost()
        context.fireChannelInactive()
    }
}
