import CSessionLoopback
import Glibc

// What the kernel alone takes: the same sockets, bursts and packet sizes without anything in between. The receiver says after each batch how much it was,
// and the sender is never more than four bursts ahead.

private let packet = 1452
private let burst = 44 * packet

/// Sends so many bytes, or receives them, and prints the processor time.
func bareUDP(isServer: Bool, port: UInt16, total: Int) {
    let socket = loopback_open(port, isServer ? 1 : 0)
    precondition(socket >= 0, "no socket")
    let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: 16 * 65536)
    buffer.initialize(repeating: 0, count: 16 * 65536)
    defer { buffer.deallocate() }
    var lengths = [UInt32](repeating: 0, count: 32)
    var segments = [UInt32](repeating: 0, count: 32)
    var (sent, received, answered) = (0, 0, 0)
    let began = loopback_now()
    while isServer ? received < total : answered < total {
        while !isServer, sent < total, sent - answered < 4 * burst {
            loopback_send(socket, buffer, burst, UInt16(packet))
            sent += burst
        }
        loopback_wait(socket, 50_000_000)
        if isServer, received == 0 { _ = loopback_connect_to_sender(socket) }
        let count = Int(loopback_receive(socket, buffer, 16, &lengths, &segments))
        if isServer {
            let bytes = lengths[..<count].reduce(0) { $0 + Int($1) }
            received += bytes
            if bytes > 0 { withUnsafeBytes(of: bytes) { loopback_send(socket, $0.baseAddress!, 8, 8) } }
        } else {
            for index in 0..<count {
                // Several answers may have been joined.
                for start in stride(from: 0, to: Int(lengths[index]), by: 8) {
                    answered += UnsafeRawPointer(buffer).loadUnaligned(
                        fromByteOffset: index * 65536 + start, as: Int.self)
                }
            }
        }
    }
    let rate = Double(max(received, answered) * 8) / Double(loopback_now() - began)
    print(isServer ? "receiver" : "sender", "Gbit/s", rate, "CPU s", loopback_cpu())
}
