import Glibc
import NIOCore
import NIOPosix
import NIOSSL

/// Words for what the network and TLS report.
enum ConnectFailure {
    /// The reason behind `error`.
    static func reason(_ error: any Error) -> SignalingDisconnect {
        switch error {
        case let reason as SignalingDisconnect:
            return reason
        case let error as NIOConnectionError:
            if let first = error.connectionErrors.first { return reason(first.error) }
            return .network("cannot find the server: no such host")
        case let error as IOError:
            let text = String(cString: strerror(error.errnoCode))
            return error.errnoCode == ECONNREFUSED ? .refused("nothing listens there") : .network(text)
        case ChannelError.connectTimeout:
            return .network("the server does not answer")
        case is SocketAddressError:
            return .network("cannot find the server: no such host")
        default:
            return tls(error) ?? .network("\(error)")
        }
    }

    /// The reason if TLS reports it.
    private static func tls(_ error: any Error) -> SignalingDisconnect? {
        let text = "\(error)"
        switch error {
        case NIOSSLError.uncleanShutdown:
            return .network("the connection was cut")
        case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError:
            if text.contains("CERTIFICATE_VERIFY_FAILED") || text.contains("hostname") || text.contains("ostname") {
                return .tls("its certificate is not one to trust for this name")
            }
            if text.contains("WRONG_VERSION_NUMBER") {
                return .tls("it does not speak TLS; is it ws:// instead of wss://?")
            }
            if text.contains("EOF during handshake") {
                return .tls("it hangs up during the TLS handshake; is it ws:// instead of wss://?")
            }
            return .tls(text)
        default:
            return nil
        }
    }
}
