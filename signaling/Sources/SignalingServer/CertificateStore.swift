import Glibc
import Logging
import NIOConcurrencyHelpers
import NIOSSL

/// The certificate in use, and its files. New connections get what the files held when they were last good.
///
/// Safety: all state is guarded by the lock.
final class CertificateStore: Sendable {
    /// What tells a changed file: modification time, size and inode.
    private struct Stamp: Equatable {
        let seconds: [Int]
        let sizes: [Int64]
        let inodes: [UInt64]
    }

    private struct State {
        var context: NIOSSLContext
        var stamp: Stamp?
    }

    private let files: TLSFiles
    private let state: NIOLockedValueBox<State>

    /// Reads both files.
    ///
    /// - Throws: `ServerError`.
    init(_ files: TLSFiles) throws(ServerError) {
        self.files = files
        let stamp = Self.stamp(files)
        state = NIOLockedValueBox(State(context: try Self.load(files), stamp: stamp))
    }

    /// For the next connection.
    var current: NIOSSLContext { state.withLockedValue { $0.context } }

    /// Takes over changed files. When they cannot be used the old certificate stays, and the log says why.
    ///
    /// - Parameter force: read them although they look the same.
    /// - Returns: whether there is a new certificate.
    func reload(force: Bool, logger: Logger) -> Bool {
        let stamp = Self.stamp(files)
        guard force || state.withLockedValue({ $0.stamp != stamp }) else { return false }
        do {
            let context = try Self.load(files)
            state.withLockedValue { $0 = State(context: context, stamp: stamp) }
            logger.notice("certificate reloaded")
            return true
        } catch {
            state.withLockedValue { $0.stamp = stamp }
            logger.error(
                "the certificate files have changed but cannot be used; the old certificate stays",
                metadata: [
                    "reason": "\(error)"
                ])
            return false
        }
    }

    private static func load(_ files: TLSFiles) throws(ServerError) -> NIOSSLContext {
        for path in [files.certificate, files.key] where access(path, R_OK) != 0 {
            throw .file(path: path, reason: String(cString: strerror(errno)))
        }
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(files.certificate)
            guard !chain.isEmpty else { throw ServerError.certificate(reason: "\(files.certificate) holds none") }
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(file: files.key, format: .pem)))
            configuration.minimumTLSVersion = .tlsv12
            return try NIOSSLContext(configuration: configuration)
        } catch let error as ServerError {
            throw error
        } catch {
            throw .certificate(
                reason: "\(files.certificate) and \(files.key) are no certificate and its key (\(error))")
        }
    }

    private static func stamp(_ files: TLSFiles) -> Stamp? {
        let statuses = [files.certificate, files.key].compactMap { path -> stat? in
            var status = stat()
            return stat(path, &status) == 0 ? status : nil
        }
        guard statuses.count == 2 else { return nil }
        return Stamp(
            seconds: statuses.flatMap { [$0.st_mtim.tv_sec, $0.st_mtim.tv_nsec] },
            sizes: statuses.map { Int64($0.st_size) }, inodes: statuses.map { UInt64($0.st_ino) })
    }
}
