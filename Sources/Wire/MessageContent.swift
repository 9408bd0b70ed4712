// What one envelope says, before the ratchet encrypts it and after the other side's has decrypted it:
//
// version u8 = 1 | kind u8 | message id 16 | sent at u64 (ms since 1970) | sequence u64 | body length u32 | body | zeros up to the bucket
//
// Buckets: 256, 512, 1024, 2048, 4096 bytes, above that multiples of 4096. The fields before the body stay where they are in every version.
//
//  1 TEXT                 flags u8 (1: answers, 2: disappears) | answered message id 16 if flag 1 | seconds u32 if flag 2 | UTF-8, 0…65,536
//  2 EDIT                 message id 16 | UTF-8, 0…65,536
//  3 DELETE               message id 16
//  4 REACTION             message id 16 | UTF-8, 0…64 (empty: taken back)
//  5 RECEIPT              what u8 (1 delivered: envelope ids, 2 read: message ids) | count u8, 1…128 | ids of 16
//  6 CONTACT-REQUEST      name (u8 length ≤ 64) | greeting (u8 length ≤ 128) | capability 16
//  7 CONTACT-ACCEPT       name (u8 length ≤ 64) | capability 16
//  8 CAPABILITY           capability 16
//  9 RETRY                count u8, 1…128 | envelope ids of 16
// 10 TIMER                seconds u32 (0: messages stay)
// 11 PROFILE              name (u8 length ≤ 64)
// 12 INTRODUCTION         name (u8 length ≤ 64) | token of the receiver's invite 16 | capability 16
//
// Another version, another kind, flags or a receipt that this version does not know: the body is kept as it is.

/// What one envelope says.
package struct MessageContent: Hashable, Sendable {
    /// 16 random bytes of the sender that name it: an edit, a receipt, a reaction means a message by this.
    package let id: [UInt8]
    /// When it was written, by the sender's clock, in milliseconds since 1970.
    package let sentAt: UInt64
    /// Grows with everything that the sender writes to this contact: the sender's order.
    package let sequence: UInt64
    package let body: Body

    /// Kinds of content.
    package enum Body: Hashable, Sendable {
        /// A message. `answers` names the message it replies to; `expiresAfter` is in seconds from reading.
        case text(String, answers: [UInt8]?, expiresAfter: UInt32?)
        /// The sender's message `id` now reads so.
        case edit(id: [UInt8], text: String)
        /// The sender's message `id` is to disappear everywhere.
        case delete(id: [UInt8])
        /// What the sender thinks of message `id`; empty takes it back.
        case reaction(id: [UInt8], text: String)
        /// The sender stored what came in the envelopes with these ids.
        case delivered(envelopes: [[UInt8]])
        /// The sender's user has seen the messages with these ids.
        case read(messages: [[UInt8]])
        /// Somebody without an invite asks. The capability is for the answer.
        case contactRequest(name: String, greeting: String, capability: [UInt8])
        /// The answer to a request, or the first word to who came with an invite.
        case contactAccept(name: String, capability: [UInt8])
        /// From now on this capability lets the receiver leave mail for the sender.
        case capability([UInt8])
        /// The envelopes with these ids could not be read: send again what was in them.
        case retry(envelopes: [[UInt8]])
        /// Messages of this conversation disappear so many seconds after reading; 0: they stay.
        case timer(seconds: UInt32)
        /// The name that the sender goes by now.
        case profile(name: String)
        /// The first word of who comes with an invite: its token, and a capability for the answer.
        case introduction(name: String, token: [UInt8], capability: [UInt8])
        /// Something that this version does not know.
        case unknown(version: UInt8, kind: UInt8, bytes: [UInt8])
    }

    /// Size of message, envelope ids and capabilities in bytes.
    package static let idByteCount = 16
    /// Longest text in bytes of UTF-8.
    package static let maximumText = 64 * 1024
    /// Longest reaction in bytes of UTF-8.
    package static let maximumReaction = 64
    /// Longest name in bytes of UTF-8.
    package static let maximumName = 64
    /// Longest greeting of a contact request in bytes of UTF-8: such a request fits the smallest bucket.
    package static let maximumGreeting = 128
    /// Most ids in one receipt or retry request.
    package static let maximumIDs = 128
    /// Largest encoded content in bytes.
    package static let maximumSize = 17 * 4096
    static let version: UInt8 = 1
    /// Bytes before the body.
    static let headerSize = 38

    /// Joins the parts. What does not fit the layout is refused by ``encode()``.
    package init(id: [UInt8], sentAt: UInt64, sequence: UInt64, body: Body) {
        self.id = id
        self.sentAt = sentAt
        self.sequence = sequence
        self.body = body
    }

    /// The size that `count` bytes are padded to.
    package static func bucket(_ count: Int) -> Int {
        var size = 256
        while size < count, size < 4096 { size *= 2 }
        return count <= size ? size : (count + 4095) / 4096 * 4096
    }
}
