/// Which side of a handshake one is on.
package enum Role: Sendable {
    /// Sends the first message (Alice).
    case initiator
    /// Receives it (Bob).
    case responder

    /// The other side.
    package var peer: Role { self == .initiator ? .responder : .initiator }
}

/// A token of a message pattern (Noise revision 34, §7.1 and §9.2); the last two are those of hybrid handshakes.
enum Token: Sendable {
    case e, s, ee, es, se, ss, psk, e1, ekem1

    /// Whether it stands for a Diffie-Hellman operation.
    var isDH: Bool { [.ee, .es, .se, .ss].contains(self) }
}

/// A handshake pattern as data (§7.1): what is known before, and the tokens of each message.
struct HandshakePattern: Sendable {
    struct Message: Sendable {
        let sender: Role
        var tokens: [Token]
    }

    /// The name without modifiers.
    let name: String
    /// Public keys of the initiator that the responder knows before.
    var initiatorPreMessage: [Token]
    /// Public keys of the responder that the initiator knows before.
    var responderPreMessage: [Token]
    var messages: [Message]

    /// Messages alternate, the initiator's first.
    init(_ name: String, initiator: [Token] = [], responder: [Token] = [], _ messages: [Token]...) {
        self.name = name
        initiatorPreMessage = initiator
        responderPreMessage = responder
        self.messages = messages.enumerated().map { index, tokens in
            Message(sender: index.isMultiple(of: 2) ? .initiator : .responder, tokens: tokens)
        }
    }

    /// Parses a pattern with its modifiers: "XX", "IKpsk2", "XXfallback+psk0". Throws `unsupportedProtocol`.
    init(parsing text: some StringProtocol) throws(NoiseError) {
        let base = text.prefix { !("a"..."z" ~= $0) }
        guard let found = HandshakePattern.table[String(base)] else { throw .unsupportedProtocol }
        self = found
        guard base.endIndex < text.endIndex else { return }
        var seen: Set<Substring> = []
        for modifier in text[base.endIndex...].split(separator: "+", omittingEmptySubsequences: false) {
            let modifier = Substring(modifier)
            guard seen.insert(modifier).inserted else { throw .unsupportedProtocol }
            try apply(modifier)
        }
    }

    private mutating func apply(_ modifier: Substring) throws(NoiseError) {
        if modifier == "fallback" {
            try applyFallback()
        } else if modifier == "hfs" {
            try applyHFS()
        } else if modifier.hasPrefix("psk") {
            try applyPSK(modifier.dropFirst(3))
        } else {
            throw .unsupportedProtocol
        }
    }

    /// The first message becomes a pre-message, and the responder goes on (§10.2).
    private mutating func applyFallback() throws(NoiseError) {
        guard let first = messages.first, first.sender == .initiator, messages.count > 1,
            initiatorPreMessage.isEmpty, [[.e], [.s], [.e, .s]].contains(first.tokens)
        else { throw .unsupportedProtocol }
        initiatorPreMessage = first.tokens
        messages.removeFirst()
    }

    /// The initiator sends the key of a KEM in its first message, the responder a ciphertext for it. `e1` follows the first `e`, or the
    /// Diffie-Hellman operation that directly follows that, so that the key is encrypted; `ekem1` follows the first `ee`
    /// (docs/protocol/session.md, "Hybrid handshake").
    private mutating func applyHFS() throws(NoiseError) {
        guard messages.count > 1, messages[0].sender == .initiator, !isHybrid,
            let e = messages[0].tokens.firstIndex(of: .e),
            let index = messages.firstIndex(where: { $0.tokens.contains(.ee) }),
            messages[index].sender == .responder, let ee = messages[index].tokens.firstIndex(of: .ee)
        else { throw .unsupportedProtocol }
        messages[index].tokens.insert(.ekem1, at: ee + 1)
        let tokens = messages[0].tokens
        let follows = e + 1 < tokens.count && tokens[e + 1].isDH
        messages[0].tokens.insert(.e1, at: follows ? e + 2 : e + 1)
    }

    /// Whether the pattern has the tokens of a hybrid handshake.
    var isHybrid: Bool { messages.contains { $0.tokens.contains(.e1) } }

    /// psk0 stands before the first message's tokens, pskN behind the Nth message's (§9.4).
    private mutating func applyPSK(_ digits: Substring) throws(NoiseError) {
        guard digits.utf8.count == 1, let position = Int(digits), position <= messages.count else {
            throw .unsupportedProtocol
        }
        if position == 0 {
            messages[0].tokens.insert(.psk, at: 0)
        } else {
            messages[position - 1].tokens.append(.psk)
        }
    }

    /// Only the initiator sends, in the handshake and after it (§7.4).
    var isOneWay: Bool { name.utf8.count == 1 }

    /// How many pre-shared keys it takes, 32 bytes each.
    var pskCount: Int {
        messages.reduce(0) { $0 + $1.tokens.count { $0 == .psk } }
    }

    /// What `role` has told the other side before the handshake.
    func preMessage(of role: Role) -> [Token] {
        role == .initiator ? initiatorPreMessage : responderPreMessage
    }

    /// Whether `role` shows a static key, before or in the handshake, and so needs one.
    func needsStatic(_ role: Role) -> Bool {
        preMessage(of: role).contains(.s) || messages.contains { $0.sender == role && $0.tokens.contains(.s) }
    }
}
