import CTestTools
import Foundation

/// An option of sockets, by its numbers.
package enum SocketOption {
    /// From now on nobody in this process can set the option, as on a system that does not have it; for good.
    package static func deny(level: Int32, option: Int32) throws {
        let error = test_deny_socket_option(level, option)
        guard error == 0 else { throw POSIXError(POSIXErrorCode(rawValue: error) ?? .EPERM) }
    }
}
