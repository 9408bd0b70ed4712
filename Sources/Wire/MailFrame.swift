// Frames for the server's mailbox, in the same space as those of SignalingFrame: one frame is one binary WebSocket message,
// the first byte is its type, integers are big-endian. docs/protocol/mailbox.md.
//
// 0x10 MAILBOX          s→c  waiting u32 | one-time keys left u16 | ttl u32 (s) | quota u32 (bytes) | generation 16
// 0x11 MAIL             c→s  request u32 | recipient 32 | capability 16 | envelope 1…73,728
// 0x12 MAIL-STORED      s→c  request u32
// 0x13 MAIL-REFUSED     s→c  request u32 | reason u8 | retry after u32 (ms)
// 0x14 MAIL-ITEM        s→c  mail u64 | stored at u64 (ms since 1970) | envelope 1…73,728
// 0x15 MAIL-ACK         c→s  count u16 (1…512) | mail u64 …
// 0x16 PREKEYS-PUBLISH  c→s  request u32 | publication 1…57,344
// 0x17 PREKEYS-FETCH    c→s  request u32 | peer 32 | capability 16
// 0x18 PREKEYS          s→c  request u32 | bundle 0…4,096
// 0x19 CAPABILITIES     c→s  request u32 | operation u8 | count u16 (0…512) | digest 16 …
// 0x1A REQUEST-MAIL     c→s  request u32 | recipient 32 | zeros 16 | envelope 1…2,048
// 0x1B DONE             s→c  request u32
//
// Types up to 0x1F are kept for mail: who does not know them skips them.

/// A frame between a client and the mailbox of its signaling server.
package enum MailFrame: Hashable, Sendable {
    /// The server has a mailbox: its first frame after WELCOME.
    case mailbox(MailboxInfo)
    /// An envelope for somebody. `capability`: the 16 bytes that the recipient gave the sender.
    case mail(request: UInt32, recipient: PeerKey, capability: [UInt8], envelope: [UInt8])
    /// The envelope of that request is on the server's disk.
    case stored(request: UInt32)
    /// The request was not carried out. `retryAfter`: milliseconds to wait before it may succeed; 0 when nothing is known.
    case refused(request: UInt32, reason: MailRefusal, retryAfter: UInt32)
    /// An envelope for this client. `mail` names it for `acknowledge`; `storedAt`: milliseconds since 1970 by the server's
    /// clock.
    case item(mail: UInt64, storedAt: UInt64, envelope: [UInt8])
    /// These mails (1…512) are stored here, or are no use to anybody: the server deletes them and answers nothing.
    case acknowledge(mails: [UInt64])
    /// The keys with which others may begin to talk to this client: an encoded `PrekeyPublication`.
    case publishPrekeys(request: UInt32, publication: [UInt8])
    /// Asks for a peer's prekeys. `capability`: as in `mail`, or `noCapability`, which yields no one-time keys.
    case fetchPrekeys(request: UInt32, peer: PeerKey, capability: [UInt8])
    /// The answer: an encoded `PrekeyBundle`; empty when the server has none of that peer.
    case prekeys(request: UInt32, bundle: [UInt8])
    /// Says (0…512 at a time) whose mail this client takes.
    case capabilities(request: UInt32, operation: CapabilityOperation, digests: [CapabilityDigest])
    /// A small envelope for somebody who gave the sender no capability.
    case requestMail(request: UInt32, recipient: PeerKey, envelope: [UInt8])
    /// A publication, or a change of capabilities, is on the server's disk.
    case done(request: UInt32)

    /// Size of a capability in bytes.
    package static let capabilityByteCount = 16
    /// Stands where a capability stands when there is none.
    package static let noCapability = [UInt8](repeating: 0, count: capabilityByteCount)
    /// Size of the mailbox's generation in bytes.
    package static let generationByteCount = 16
    /// Largest envelope in bytes.
    package static let maximumEnvelope = 73_728
    /// Largest envelope of a request in bytes.
    package static let maximumRequestEnvelope = 2_048
    /// Largest publication of prekeys in bytes.
    package static let maximumPublication = 57_344
    /// Largest bundle of prekeys in bytes.
    package static let maximumBundle = 4_096
    /// Most mails that one frame acknowledges.
    package static let maximumAcknowledged = 512
    /// Most digests in one frame.
    package static let maximumDigests = 512
    /// The largest frame there is, a MAIL: what the WebSocket layer must let through after the login.
    package static let maximumFrame = 1 + 4 + PeerKey.byteCount + capabilityByteCount + maximumEnvelope

    /// Whether a frame with this first byte belongs to the mailbox: 0x10…0x1F, known or not.
    package static func isMail(type: UInt8) -> Bool {
        (0x10...0x1F).contains(type)
    }

    /// First byte of the frame.
    package var type: UInt8 {
        switch self {
        case .mailbox: 0x10
        case .mail: 0x11
        case .stored: 0x12
        case .refused: 0x13
        case .item: 0x14
        case .acknowledge: 0x15
        case .publishPrekeys: 0x16
        case .fetchPrekeys: 0x17
        case .prekeys: 0x18
        case .capabilities: 0x19
        case .requestMail: 0x1A
        case .done: 0x1B
        }
    }

    /// Whether it is the server that sends such frames; the others are the client's.
    package var isFromServer: Bool {
        switch self {
        case .mailbox, .stored, .refused, .item, .prekeys, .done: true
        case .mail, .acknowledge, .publishPrekeys, .fetchPrekeys, .capabilities, .requestMail: false
        }
    }

    /// The number that the client gave the request that this is, or answers; nil for frames without one.
    package var request: UInt32? {
        switch self {
        case .mail(let request, _, _, _), .stored(let request), .refused(let request, _, _),
            .publishPrekeys(let request, _), .fetchPrekeys(let request, _, _), .prekeys(let request, _),
            .capabilities(let request, _, _), .requestMail(let request, _, _), .done(let request):
            request
        case .mailbox, .item, .acknowledge: nil
        }
    }
}

/// What the server says about its mailbox when a client has logged in.
package struct MailboxInfo: Hashable, Sendable {
    /// How many mails wait for this client; they follow.
    package var waiting: UInt32
    /// How many one-time prekeys of this client are left.
    package var oneTimeKeysLeft: UInt16
    /// How long a mail is kept, in seconds.
    package var timeToLive: UInt32
    /// How many bytes of envelopes may wait for one recipient.
    package var quota: UInt32
    /// 16 random bytes of the store. Another value than before: it was lost, and everything must be published again.
    package var generation: [UInt8]

    /// Joins the fields.
    package init(waiting: UInt32, oneTimeKeysLeft: UInt16, timeToLive: UInt32, quota: UInt32, generation: [UInt8]) {
        self.waiting = waiting
        self.oneTimeKeysLeft = oneTimeKeysLeft
        self.timeToLive = timeToLive
        self.quota = quota
        self.generation = generation
    }
}

/// Why a request of the mailbox was not carried out. Unknown values are kept: treat them as `storeTrouble`.
package struct MailRefusal: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Nobody here has that peer id.
    package static let unknownRecipient = MailRefusal(rawValue: 0)
    /// The recipient takes nothing for that capability.
    package static let capabilityRefused = MailRefusal(rawValue: 1)
    /// Too much waits for the recipient.
    package static let mailboxFull = MailRefusal(rawValue: 2)
    /// Too much from this sender waits for the recipient.
    package static let senderQuota = MailRefusal(rawValue: 3)
    /// Too many requests: again after the given time.
    package static let tooFast = MailRefusal(rawValue: 4)
    /// The server cannot store now: again after the given time.
    package static let storeTrouble = MailRefusal(rawValue: 5)
}

/// What CAPABILITIES does. `replace` begins a new list beside the one in force, `add` and `remove` then change the new one,
/// and `commit` puts it into force. Without `replace` before, `add` and `remove` change the list in force at once.
package enum CapabilityOperation: UInt8, Hashable, Sendable, CaseIterable {
    /// Begins a new list, with these digests; an unfinished one is dropped.
    case replace = 0
    /// Adds digests.
    case add = 1
    /// Takes digests away.
    case remove = 2
    /// Adds these digests to the new list, which from then on is in force.
    case commit = 3
}

/// What the server knows of a capability: 16 bytes that name it, and do not let their reader use it.
package struct CapabilityDigest: Hashable, Sendable, CustomStringConvertible {
    /// Size in bytes.
    package static let byteCount = 16

    private let word0: UInt64
    private let word1: UInt64

    /// Takes exactly 16 bytes; throws `lengthOutOfRange` for any other count.
    package init(_ bytes: some Collection<UInt8>) throws(WireError) {
        guard bytes.count == CapabilityDigest.byteCount else { throw .lengthOutOfRange }
        word0 = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        word1 = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The 16 bytes.
    package var bytes: [UInt8] {
        var writer = ByteWriter(capacity: CapabilityDigest.byteCount)
        writer.write(word0)
        writer.write(word1)
        return writer.bytes
    }

    /// The 16 bytes in hexadecimal.
    package var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
