import Glibc
import NIOSSL

extension TLSTrust {
    /// A context for TLS 1.2 and 1.3 that verifies certificate and name. Blocks: it reads files.
    ///
    /// - Throws: `SignalingDisconnect.tls`.
    func makeContext() throws(SignalingDisconnect) -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        do {
            if case .file(let path) = self {
                guard access(path, R_OK) == 0 else {
                    throw SignalingDisconnect.tls("cannot read \(path): \(String(cString: strerror(errno)))")
                }
                guard let certificates = try? NIOSSLCertificate.fromPEMFile(path) else {
                    throw SignalingDisconnect.tls("\(path) holds no certificates in PEM form")
                }
                configuration.additionalTrustRoots = [.certificates(certificates)]
            }
            return try NIOSSLContext(configuration: configuration)
        } catch let error as SignalingDisconnect {
            throw error
        } catch {
            throw .tls("the trusted certificates cannot be used (\(error))")
        }
    }
}
