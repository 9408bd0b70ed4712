package import Paths
package import Wire

/// Finds out how the NAT maps one socket, by asking several STUN servers (or ports of one) from it (RFC 5780 §4.3, with whatever
/// servers there are).
package struct MappingQuery: Sendable {
    /// What was found.
    package struct Result: Hashable, Sendable {
        /// How the NAT maps.
        package let mapping: NATMapping
        /// What a server saw. With a mapping by destination only the address is of use.
        package let endpoint: Endpoint
    }

    /// Servers that are asked at most.
    package static let maximumServers = 4
    /// Requests go out at these times until answered.
    static let sendTimes = [TimeSpan.zero, .milliseconds(200), .milliseconds(600)]
    static let giveUp = TimeSpan.milliseconds(1_500)

    private struct Question: Sendable {
        let server: Endpoint
        let transactionID: [UInt8]
        var requests = 0
        var answer: Endpoint?
    }

    private var questions: [Question]
    private let localPort: UInt16
    private let startedAt: MonotonicTime

    /// - Parameters:
    ///   - servers: those of IPv4 are asked, each once.
    ///   - localPort: the socket's port. A NAT that keeps it is taken for one that keeps it for everybody, when only one
    ///     server answers.
    ///   - transactionID: gives 12 random bytes.
    package init(servers: [Endpoint], localPort: UInt16, now: MonotonicTime, transactionID: () -> [UInt8]) {
        var seen: Set<Endpoint> = []
        questions = servers.filter { !$0.address.isV6 && seen.insert($0).inserted }.prefix(Self.maximumServers)
            .map { Question(server: $0, transactionID: transactionID()) }
        self.localPort = localPort
        startedAt = now
    }

    /// The next request that is due, or nil for now.
    package mutating func nextRequest(now: MonotonicTime) -> (bytes: [UInt8], to: Endpoint)? {
        for index in questions.indices {
            let question = questions[index]
            guard question.answer == nil, question.requests < Self.sendTimes.count,
                now >= startedAt + Self.sendTimes[question.requests]
            else { continue }
            questions[index].requests += 1
            if let bytes = try? STUN.bindingRequest(transactionID: question.transactionID) {
                return (bytes, question.server)
            }
        }
        return nil
    }

    /// Takes a datagram; what is no answer to an open question, from the one who was asked, is ignored.
    package mutating func receive(_ datagram: [UInt8], from: Endpoint) {
        guard datagram.count >= STUN.headerByteCount else { return }
        for index in questions.indices where questions[index].server == from && questions[index].answer == nil {
            guard
                case .mapped(let mapped)? = try? STUNBindingResponse(
                    datagram, transactionID: questions[index].transactionID)
            else { continue }
            questions[index].answer = mapped
            return
        }
    }

    /// Whether there is nothing more to wait for.
    package func isDone(now: MonotonicTime) -> Bool {
        questions.allSatisfy { $0.answer != nil } || Set(questions.compactMap(\.answer)).count > 1
            || now - startedAt >= Self.giveUp
    }

    /// What is known by now; nil when nobody answered, or the answers name different addresses, of which none can then be told a
    /// peer.
    package var result: Result? {
        let answers = questions.compactMap(\.answer)
        guard let first = answers.first, answers.allSatisfy({ $0.address == first.address }) else { return nil }
        let mapping: NATMapping =
            if Set(answers).count > 1 {
                .endpointDependent
            } else if answers.count > 1 || first.port == localPort {
                .endpointIndependent
            } else {
                .unknown
            }
        return Result(mapping: mapping, endpoint: first)
    }
}
