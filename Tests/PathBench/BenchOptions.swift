import NATLab

/// What cannot be measured, in one line.
struct Failure: Error, CustomStringConvertible {
    let description: String
}

/// What to measure.
enum BenchCase: String, CaseIterable, Sendable {
    /// A direct path without loss, and with 0.1 %.
    case clean
    case lossy
    /// From a narrow relay to a wide direct path.
    case upgrade

    var loss: Double { self == .lossy ? 0.001 : 0 }
}

struct BenchOptions: Sendable {
    var programs = ""
    var wantsJSON = false
    var runs = 5
    var seconds = 12.0
    /// Milliseconds, and bits a second.
    var roundTrip = 50.0
    var rate = 200_000_000
    var cases = BenchCase.allCases
    /// Shows each program's events on standard error.
    var isVerbose = false

    init(_ arguments: [String]) throws {
        var rest = arguments[...]
        var named: [BenchCase] = []
        func number<Number: LosslessStringConvertible>(_ option: String) throws -> Number {
            guard let value = rest.popFirst().flatMap({ Number($0) }) else {
                throw Failure(description: "\(option) needs a number")
            }
            return value
        }
        while let argument = rest.popFirst() {
            switch argument {
            case "--json": wantsJSON = true
            case "--verbose": isVerbose = true
            case "--runs": runs = max(1, try number(argument))
            case "--seconds": seconds = max(4, try number(argument))
            case "--rtt": roundTrip = max(0, try number(argument))
            case "--rate": rate = max(1, try number(argument)) * 1_000_000
            default:
                if let name = BenchCase(rawValue: argument) {
                    named.append(name)
                } else if programs.isEmpty {
                    programs = argument
                } else {
                    throw Failure(description: "unknown: \(argument)")
                }
            }
        }
        if !named.isEmpty { cases = named }
        guard !programs.isEmpty else { throw Failure(description: "where are the programs?") }
    }

    /// One direction of the long path: a queue of one bandwidth-delay product.
    var path: WANSettings {
        WANSettings(
            delay: .nanoseconds(Int(roundTrip * 500_000)), rate: rate,
            queue: max(65_536, Int(roundTrip / 1_000 * Double(rate) / 8)))
    }
}
