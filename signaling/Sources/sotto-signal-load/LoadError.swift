/// Why nothing could be measured, in one line.
enum LoadError: Error, Hashable, CustomStringConvertible {
    case address(String)
    case certificates(String)
    case login(connection: Int, reason: String)
    case tooSlow(online: Int, of: Int)
    case process(Int)

    var description: String {
        switch self {
        case .address(let host): "cannot find \(host)"
        case .certificates(let reason): "cannot use the certificates: \(reason)"
        case .login(let connection, let reason): "connection \(connection) did not log in: \(reason)"
        case .tooSlow(let online, let count): "only \(online) of \(count) connections logged in in time"
        case .process(let process): "there is no process \(process) that can be looked at"
        }
    }
}
