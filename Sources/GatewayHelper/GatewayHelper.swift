import CConfine
import Glibc
package import PortMapping

/// The process that speaks UPnP-IGD. It is the program itself, started anew with ``argument``: it has read no file, holds no key, and gives
/// up what a program may do before it listens to the network.
package enum GatewayHelper {
    /// What makes the program this process, as its only argument.
    package static let argument = "--gateway-helper"

    /// How this program starts itself as helper.
    package static var command: HelperCommand {
        HelperCommand(path: "/proc/self/exe", arguments: ["sotto", argument])
    }

    /// Bytes of memory besides what the program takes by itself. A description of a router is some kilobytes.
    private static let memory: UInt = 64 << 20
    /// Seconds of processor time. A mapping and its renewals take milliseconds.
    private static let processorTime: UInt = 60
    /// Seconds that are left when nobody asks any more.
    private static let grace: UInt32 = 10

    /// Whether these are the arguments of a process that is to be the helper.
    package static func isMeant(by arguments: [String]) -> Bool { arguments.count == 2 && arguments[1] == argument }

    /// Answers questions until there are no more, deletes what it holds, and ends.
    package static func run() -> Never {
        guard sotto_confine(memory, processorTime, grace) == 0 else { _exit(1) }
        var mappings: MappingTable?
        while let request = nextRequest() {
            guard say(answer(request, &mappings)) else { break }
        }
        alarm(grace)
        mappings?.deleteAll()
        _exit(0)
    }

    private static func answer(_ request: HelperRequest, _ mappings: inout MappingTable?) -> HelperAnswer {
        switch request {
        case .find(let gateway, let local):
            guard let (device, external) = GatewayDevice.find(gateway: gateway, local: local) else { return .none }
            mappings = MappingTable(device)
            return .found(external: external)
        case .map(let port, let external, let seconds):
            return mappings?.map(port: port, external: external, seconds: seconds) ?? .failed(code: 0)
        case .delete(let external):
            return mappings?.delete(external: external) ?? .failed(code: 0)
        }
    }

    /// The next line; nil at the end, and when it is none of ours.
    private static func nextRequest() -> HelperRequest? {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while line.count < HelperLine.maximumLength {
            let count = read(STDIN_FILENO, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else { return nil }
            if byte == UInt8(ascii: "\n") { return HelperRequest(line: line) }
            line.append(byte)
        }
        return nil
    }

    private static func say(_ answer: HelperAnswer) -> Bool {
        let line = Array(answer.line.utf8)
        return write(STDOUT_FILENO, line, line.count) == line.count
    }
}
