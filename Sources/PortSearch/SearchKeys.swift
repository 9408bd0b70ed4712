import CSodium

/// The keys of one search, one for each direction, from a secret of each side. Both secrets travelled in sealed rendezvous
/// payloads, so that only the two peers know them. Wiped when it goes.
package struct SearchKeys: ~Copyable {
    /// Size of each side's secret in bytes.
    package static let secretByteCount = 32

    private static let keyByteCount = 32
    private static let label: [UInt8] = Array("sotto-port-search-v1".utf8)

    // Safety: owned by this value alone from init to deinit, 64 bytes, never handed out beyond a call.
    private let storage: UnsafeMutableRawBufferPointer
    private let search: [UInt8]

    /// Derives the keys; nil unless both secrets have 32 bytes and the connection id 16.
    ///
    /// - Parameters:
    ///   - connectionID: names the search.
    ///   - own: our secret.
    ///   - peer: the peer's secret.
    ///   - isOfferer: whether we proposed the search; the two sides' directions differ by it.
    package init?(connectionID: [UInt8], own: [UInt8], peer: [UInt8], isOfferer: Bool) {
        guard own.count == Self.secretByteCount, peer.count == Self.secretByteCount, connectionID.count == 16,
            sodium_init() >= 0
        else { return nil }
        var material = isOfferer ? own + peer : peer + own
        defer { sodium_memzero(&material, material.count) }
        let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * Self.keyByteCount, alignment: 16)
        for (index, direction) in [isOfferer ? 1 : 2, isOfferer ? 2 : 1].enumerated() {
            let context = Self.label + connectionID + [UInt8(direction)]
            let target = UnsafeMutableRawBufferPointer(rebasing: storage[(index * Self.keyByteCount)...])
            guard let address = target.baseAddress else { continue }
            // 64 bytes of key are the most that BLAKE2b takes.
            _ = crypto_generichash(
                address, Self.keyByteCount, context, UInt64(context.count), material, material.count)
        }
        self.storage = storage
        search = connectionID
    }

    deinit {
        if let address = storage.baseAddress { sodium_memzero(address, storage.count) }
        storage.deallocate()
    }

    /// The bytes of a packet of ours.
    borrowing func seal(_ packet: SearchPacket) -> [UInt8] {
        let header = packet.header(search: search)
        return header + tag(of: header, keyAt: 0)
    }

    /// Reads a datagram; nil unless the peer made it for this search.
    borrowing func open(_ datagram: [UInt8]) -> SearchPacket? {
        guard datagram.count == SearchPacket.byteCount, datagram[0] == SearchPacket.firstByte,
            datagram[1..<9].elementsEqual(search.prefix(8))
        else { return nil }
        let end = SearchPacket.byteCount - SearchPacket.tagByteCount
        let expected = tag(of: Array(datagram[..<end]), keyAt: Self.keyByteCount)
        let given = Array(datagram[end...])
        guard sodium_memcmp(expected, given, SearchPacket.tagByteCount) == 0 else { return nil }
        return SearchPacket(header: datagram[..<end])
    }

    private borrowing func tag(of header: [UInt8], keyAt offset: Int) -> [UInt8] {
        var tag = [UInt8](repeating: 0, count: SearchPacket.tagByteCount)
        let key = UnsafeRawBufferPointer(rebasing: storage[offset..<(offset + Self.keyByteCount)])
        _ = crypto_generichash(
            &tag, tag.count, header, UInt64(header.count),
            key.assumingMemoryBound(to: UInt8.self).baseAddress, Self.keyByteCount)
        return tag
    }
}
