import CSodium
import Foundation
import Identity
import Noise
import Wire

/// Reads an exported file, part by part. Whatever stands in it, an error is all that comes of it.
final class ArchiveReader: @unchecked Sendable {
    // Safety: one thread has it at a time: who made it hands it to the vault's thread, and waits.
    private let descriptor: Int32
    private let path: String
    private let salt: [UInt8]
    private let cost: KeyFile.Cost
    private let header: [UInt8]
    private var associatedData: [UInt8]
    private var stream = crypto_secretstream_xchacha20poly1305_state()
    private var content: [UInt8] = []
    private var position = 0
    private var isComplete = false

    /// Opens the file and reads what is not sealed.
    init(path: String) throws(VaultError) {
        self.path = path
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        self.descriptor = descriptor
        guard descriptor >= 0 else {
            (salt, header, associatedData, cost) = ([], [], [], .least)
            throw VaultError(systemCode: errno, path: path)
        }
        do throws(VaultError) {
            associatedData = try Self.take(
                Archive.headerByteCount + Archive.streamHeaderByteCount, descriptor, path, or: .notAnExport)
            var reader = ByteReader(associatedData)
            guard let magic = try? reader.readBytes(Archive.magic.count), Array(magic) == Archive.magic,
                let version = try? reader.readUInt8()
            else { throw .notAnExport }
            guard version <= Archive.version else { throw .newerVersion(Int(version)) }
            guard version == Archive.version, let operations = try? reader.readUInt32(),
                let memory = try? reader.readUInt32(),
                let cost = KeyFile.Cost(operations: operations, checkedMemory: memory),
                let salt = try? reader.readBytes(Archive.saltByteCount)
            else { throw .notAnExport }
            self.cost = cost
            self.salt = Array(salt)
            header = Array(reader.rest)
        } catch {
            (salt, header, associatedData, cost) = ([], [], [], .least)
            throw error
        }
    }

    deinit {
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
        withUnsafeMutableBytes(of: &stream) { sodium_memzero($0.baseAddress, $0.count) }
        content.wipe()
    }

    /// Derives the key. Takes about a second.
    func unlock(_ passphrase: borrowing SecretBytes) throws(VaultError) {
        let key = try Archive.key(passphrase, salt: salt, cost: cost)
        _ = key.withUnsafeBytes { key in
            // Safety: key and header have the lengths that libsodium wants, and outlive the call.
            key.assumingMemoryBound(to: UInt8.self).baseAddress.map {
                crypto_secretstream_xchacha20poly1305_init_pull(&stream, header, $0)
            }
        }
        try pullChunk(orElse: .wrongPassphrase)
    }

    /// The next record; its type may be unknown. `nil` at the end, which only a complete file has.
    func next() throws(VaultError) -> (type: UInt8, body: [UInt8])? {
        guard let head = try bytes(5) else { return nil }
        let count = head.dropFirst().reduce(0) { $0 << 8 | Int($1) }
        guard count <= Archive.maximumRecord, let body = try bytes(count) else { throw Self.damaged }
        return (head[0], body)
    }

    /// `nil` at the end of the file; throws when it ends in between.
    private func bytes(_ count: Int) throws(VaultError) -> [UInt8]? {
        while content.count - position < count {
            if isComplete {
                guard content.count == position else { throw Self.damaged }
                return nil
            }
            try pullChunk(orElse: Self.damaged)
        }
        defer { position += count }
        return Array(content[position..<position + count])
    }

    private func pullChunk(orElse failure: VaultError) throws(VaultError) {
        let length = try Self.take(4, descriptor, path, or: Self.damaged).reduce(0) { $0 << 8 | Int($1) }
        guard (Archive.chunkOverhead...Archive.chunkSize + Archive.chunkOverhead).contains(length) else {
            throw failure
        }
        let sealed = try Self.take(length, descriptor, path, or: Self.damaged)
        var opened = [UInt8](repeating: 0, count: length - Archive.chunkOverhead)
        var tag: UInt8 = 0
        // Safety: the output has room for the content.
        let status = crypto_secretstream_xchacha20poly1305_pull(
            &stream, &opened, nil, &tag, sealed, UInt64(length), associatedData, UInt64(associatedData.count))
        guard status == 0 else { throw failure }
        associatedData = []
        isComplete = tag == crypto_secretstream_xchacha20poly1305_tag_final()
        content.removeFirst(position)
        position = 0
        content += opened
        opened.wipe()
        if isComplete, !(try Self.isAtEnd(descriptor)) { throw Self.damaged }
    }

    static let damaged = VaultError.damaged(detail: "the exported file was cut or changed")

    private static func isAtEnd(_ descriptor: Int32) throws(VaultError) -> Bool {
        var byte: UInt8 = 0
        return read(descriptor, &byte, 1) == 0
    }

    private static func take(
        _ count: Int, _ descriptor: Int32, _ path: String, or failure: VaultError
    ) throws(VaultError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = bytes.withUnsafeMutableBytes { buffer in
                // Safety: the range lies inside the buffer, whose size does not change here.
                read(descriptor, buffer.baseAddress! + filled, count - filled)
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw VaultError(systemCode: errno, path: path) }
            guard got > 0 else { throw failure }
            filled += got
        }
        return bytes
    }
}
