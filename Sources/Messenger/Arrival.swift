import Vault
import Wire

/// What an envelope of a contact says, once it was opened and read.
struct Arrival: Sendable {
    let contact: ContactRow
    /// Names the envelope: BLAKE2b of its ciphertext.
    let envelope: [UInt8]
    let content: MessageContent
    /// Milliseconds since 1970 on this device.
    let now: UInt64
}

/// What has changed for the user and for what waits to be sent, after an arrival was stored.
enum ArrivalEffect: Sendable {
    case message(StoredMessage)
    case changed(StoredMessage)
    /// The contact has stored these envelopes of ours.
    case confirmed([[UInt8]], [MessageID])
    /// The contact has seen these messages of ours.
    case read([MessageID])
    /// The contact asks for what was in some envelopes of ours: it is to be encrypted again.
    case wanted([RenamedEntry])
    /// The contact is another now: accepted us, or told something about themselves.
    case contact(Contact, isNew: Bool)
}

extension MessageContent.Body {
    /// Whether somebody waits to hear that it was stored. Receipts are repeated when what they speak of comes again.
    var wantsReceipt: Bool {
        switch self {
        case .delivered, .read: false
        default: true
        }
    }

    /// The number of the kind, as on the wire.
    var kind: UInt8 {
        switch self {
        case .text: 1
        case .edit: 2
        case .delete: 3
        case .reaction: 4
        case .delivered, .read: 5
        case .contactRequest: 6
        case .contactAccept: 7
        case .capability: 8
        case .retry: 9
        case .timer: 10
        case .profile: 11
        case .introduction: 12
        case .unknown(_, let kind, _): kind
        }
    }
}

extension VaultTransaction {
    /// Stores what an arrival says. Repetitions change nothing. Part of the unit of work that stores the ratchet state which opened it.
    func apply(_ arrival: Arrival) throws(VaultError) -> [ArrivalEffect] {
        guard try receive(envelope: arrival.envelope, now: arrival.now) else { return [] }
        let content = arrival.content
        switch content.body {
        case .text, .edit, .delete, .reaction, .unknown:
            return try applyMessage(arrival)
        case .delivered(let envelopes):
            let (gone, messages) = try confirm(envelopes, of: arrival.contact)
            return [.confirmed(gone, messages)]
        case .read(let messages):
            var read: [MessageID] = []
            for id in messages where try advanceMessage(arrival.contact, id: id, to: .read) {
                if let id = MessageID(id) { read.append(id) }
            }
            return read.isEmpty ? [] : [.read(read)]
        case .retry(let envelopes):
            return [.wanted(try encryptAgain(envelopes, of: arrival.contact))]
        case .contactRequest, .contactAccept, .capability, .timer, .profile, .introduction:
            return try applyToContact(arrival)
        }
    }

    /// Takes entries of the outbox away that the contact has stored. Returns those that were there, and the messages among them.
    func confirm(
        _ envelopes: [[UInt8]], of contact: ContactRow
    ) throws(VaultError) -> (gone: [[UInt8]], messages: [MessageID]) {
        var gone: [[UInt8]] = []
        var messages: [MessageID] = []
        for envelope in envelopes {
            // Nobody confirms what is meant for somebody else.
            guard let entry = try outboxEntry(envelope: envelope), entry.contact == contact else { continue }
            try removeOutbox(envelope: envelope)
            gone.append(envelope)
            guard let id = entry.messageID, let messageID = MessageID(id), entry.kind == StoredMessage.textKind,
                try advanceMessage(contact, id: id, to: .delivered)
            else { continue }
            messages.append(messageID)
        }
        return (gone, messages)
    }

    private func applyMessage(_ arrival: Arrival) throws(VaultError) -> [ArrivalEffect] {
        let content = arrival.content
        let changed: StoredMessage?
        switch content.body {
        case .text(let text, let answers, let expiresAfter):
            var message = StoredMessage(
                contact: arrival.contact, direction: .incoming, messageID: content.id, text: text,
                sentAt: content.sentAt, storedAt: arrival.now, state: .unread)
            message.sequence = content.sequence
            message.replyTo = answers
            message.expiresAfter = expiresAfter
            return try append(message)
        case .unknown(let version, let kind, let bytes):
            var message = StoredMessage(
                contact: arrival.contact, direction: .incoming, messageID: content.id, text: "",
                sentAt: content.sentAt, storedAt: arrival.now, state: .unread)
            // What is not known must not be taken for a text.
            message.kind = version == 1 && kind != StoredMessage.textKind ? kind : UInt8.max
            message.payload = [version, kind] + bytes
            message.sequence = content.sequence
            return try append(message)
        case .edit(let id, let text):
            guard try message(arrival.contact, .incoming, id: id) != nil else {
                return try append(replacement(id, text, arrival, isDeleted: false))
            }
            changed = try editMessage(
                arrival.contact, .incoming, id: id, text: text, at: content.sentAt, sequence: content.sequence)
        case .delete(let id):
            guard try message(arrival.contact, .incoming, id: id) != nil else {
                _ = try appendMessage(replacement(id, "", arrival, isDeleted: true))
                return []
            }
            changed = try deleteMessage(arrival.contact, .incoming, id: id)
        case .reaction(let id, let text):
            changed = try react(arrival.contact, id: id, isOwn: false, text)
        default:
            changed = nil
        }
        return changed.map { [.changed($0)] } ?? []
    }

    /// What stands for a message that its sender has changed before it arrived here. When it does, it is there already.
    private func replacement(_ id: [UInt8], _ text: String, _ arrival: Arrival, isDeleted: Bool) -> StoredMessage {
        var message = StoredMessage(
            contact: arrival.contact, direction: .incoming, messageID: id, text: text, sentAt: arrival.content.sentAt,
            storedAt: arrival.now, state: isDeleted ? .seen : .unread)
        message.sequence = arrival.content.sequence
        message.editSequence = arrival.content.sequence
        message.editedAt = isDeleted ? nil : arrival.content.sentAt
        message.isDeleted = isDeleted
        message.isProvisional = true
        return message
    }

    private func append(_ message: StoredMessage) throws(VaultError) -> [ArrivalEffect] {
        switch try appendMessage(message) {
        case .added(let stored): return [.message(stored)]
        case .completed(let stored): return [.changed(stored)]
        case .known: return []
        }
    }

    /// What a contact says about themselves, or what is between us.
    private func applyToContact(_ arrival: Arrival) throws(VaultError) -> [ArrivalEffect] {
        guard var stored = try contact(arrival.contact) else { return [] }
        let before = stored
        switch arrival.content.body {
        case .contactAccept(let name, let capability), .contactRequest(let name, _, let capability),
            .introduction(let name, _, let capability):
            stored.ownName = name
            stored.theirCapability = capability
            // Both have asked, or they answer: then both want it.
            if stored.state == .requestedByUs { stored.state = .contact }
        case .capability(let capability):
            stored.theirCapability = capability
        case .timer(let seconds):
            stored.expiresAfter = seconds == 0 ? nil : seconds
        case .profile(let name):
            stored.ownName = name
        default:
            break
        }
        guard stored != before else { return [] }
        try updateContact(stored)
        return [.contact(Contact(stored), isNew: before.state != stored.state)]
    }
}
