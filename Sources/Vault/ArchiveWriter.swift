import CSodium
import Foundation
import Identity
import Noise
import Wire

/// Writes an exported file, part by part.
final class ArchiveWriter {
    private let descriptor: Int32
    private let path: String
    private var stream: crypto_secretstream_xchacha20poly1305_state
    private var associatedData: [UInt8]
    private var pending: [UInt8] = []

    /// Makes the file, which must not exist.
    init(path: String, passphrase: borrowing SecretBytes, cost: KeyFile.Cost) throws(VaultError) {
        guard !passphrase.isEmpty else { throw .outOfRange("an empty passphrase") }
        let salt = Sodium.randomBytes(count: Archive.saltByteCount)
        let key = try Archive.key(passphrase, salt: salt, cost: cost)
        try VaultFiles.createEmpty(path)
        self.path = path
        descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)
        var writer = ByteWriter(capacity: 64)
        writer.write(Archive.magic)
        writer.write(Archive.version)
        writer.write(cost.operations)
        writer.write(cost.memory)
        writer.write(salt)
        var header = [UInt8](repeating: 0, count: Archive.streamHeaderByteCount)
        var stream = crypto_secretstream_xchacha20poly1305_state()
        defer { withUnsafeMutableBytes(of: &stream) { sodium_memzero($0.baseAddress, $0.count) } }
        _ = key.withUnsafeBytes { key in
            // Safety: the key has 32 bytes and outlives the call.
            key.assumingMemoryBound(to: UInt8.self).baseAddress.map {
                crypto_secretstream_xchacha20poly1305_init_push(&stream, &header, $0)
            }
        }
        writer.write(header)
        self.stream = stream
        associatedData = writer.bytes
        guard descriptor >= 0 else { throw VaultError(systemCode: errno, path: path) }
        try put(writer.bytes)
    }

    deinit {
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
        withUnsafeMutableBytes(of: &stream) { sodium_memzero($0.baseAddress, $0.count) }
        pending.wipe()
    }

    /// Appends a record.
    func append(_ type: Archive.Record, _ body: [UInt8]) throws(VaultError) {
        guard body.count <= Archive.maximumRecord else { throw .outOfRange("a record") }
        var writer = ByteWriter(capacity: body.count + 5)
        writer.write(type.rawValue)
        writer.write(UInt32(clamping: body.count))
        writer.write(body)
        pending += writer.bytes
        while pending.count > Archive.chunkSize { try putChunk(Archive.chunkSize, isLast: false) }
    }

    /// Writes what is left, and the end.
    func finish() throws(VaultError) {
        try putChunk(pending.count, isLast: true)
    }

    private func putChunk(_ size: Int, isLast: Bool) throws(VaultError) {
        let tag =
            isLast
            ? crypto_secretstream_xchacha20poly1305_tag_final() : crypto_secretstream_xchacha20poly1305_tag_message()
        var sealed = [UInt8](repeating: 0, count: size + Archive.chunkOverhead)
        // Safety: the output has room for content and overhead.
        crypto_secretstream_xchacha20poly1305_push(
            &stream, &sealed, nil, pending, UInt64(size), associatedData, UInt64(associatedData.count), tag)
        associatedData = []
        pending.removeFirst(size)
        var writer = ByteWriter(capacity: 4)
        writer.write(UInt32(clamping: sealed.count))
        try put(writer.bytes + sealed)
    }

    private func put(_ bytes: [UInt8]) throws(VaultError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                // Safety: the range lies inside the buffer, which outlives the call.
                write(descriptor, buffer.baseAddress! + written, buffer.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw VaultError(systemCode: errno, path: path) }
            written += count
        }
    }
}
