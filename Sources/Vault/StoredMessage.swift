/// A message in the history.
package struct StoredMessage: Hashable, Sendable {
    /// Who wrote it.
    package enum Direction: UInt8, Sendable {
        case incoming = 0
        case outgoing = 1
    }

    /// How far it has come. The numbers stand in the file, in the clear.
    package enum State: Int64, Sendable {
        // Incoming.
        case unread = 0
        case seen = 1
        // Outgoing.
        case queued = 10
        case failed = 11
        case sent = 12
        case delivered = 13
        case read = 14
    }

    /// One person's reaction.
    package struct Reaction: Hashable, Sendable {
        /// The user's own; else the contact's.
        package var isOwn: Bool
        package var text: String

        package init(isOwn: Bool, text: String) {
            self.isOwn = isOwn
            self.text = text
        }
    }

    /// Size of a message id.
    package static let idByteCount = 16
    /// Kind of a text, as in `MessageContent`.
    package static let textKind: UInt8 = 1

    /// Its row: later ones have larger numbers. Zero until it was stored.
    package internal(set) var row: Int64 = 0
    package var contact: ContactRow
    package var direction: Direction
    /// 16 bytes, chosen by its author.
    package var messageID: [UInt8]
    /// As in `MessageContent`; 1 is text.
    package var kind = Self.textKind
    /// The text, exactly as written; empty for other kinds and once it was deleted.
    package var text: String
    /// The body of a kind that is not text.
    package var payload: [UInt8] = []
    /// By its author's clock, in milliseconds since 1970.
    package var sentAt: UInt64
    /// By this device's clock, in milliseconds since 1970.
    package var storedAt: UInt64
    /// Its author's sequence number, which says what was written before it; zero: not known.
    package var sequence: UInt64 = 0
    /// The sequence number of the latest edit; the next must have a larger one, the first a larger one than the message.
    package var editSequence: UInt64?
    /// The id of the message that it answers.
    package var replyTo: [UInt8]?
    package var state: State
    /// Why it failed.
    package var reason: String?
    package var reactions: [Reaction] = []
    /// When it was edited last, by its author's clock in milliseconds since 1970.
    package var editedAt: UInt64?
    /// Its author took it back: the text is gone, the row stays.
    package var isDeleted = false
    /// Stands for a message that its author has changed before it arrived here: what only the message itself tells is missing. When that is added, this is
    /// completed.
    package var isProvisional = false
    /// Disappears so many seconds after it was sent or read.
    package var expiresAfter: UInt32?
    /// When it disappears, in milliseconds since 1970; set when the time begins to run.
    package var expiresAt: UInt64?

    package init(
        contact: ContactRow, direction: Direction, messageID: [UInt8], text: String, sentAt: UInt64, storedAt: UInt64,
        state: State
    ) {
        self.contact = contact
        self.direction = direction
        self.messageID = messageID
        self.text = text
        self.sentAt = sentAt
        self.storedAt = storedAt
        self.state = state
    }

    /// Whether a search may find it.
    var isSearchable: Bool { kind == Self.textKind && !isDeleted && !text.isEmpty }
}

extension StoredMessage.State {
    /// Whether a message may go from this state to the next: never back, but a failed one may be tried again or turn out to have arrived.
    func mayBecome(_ next: StoredMessage.State) -> Bool {
        switch (self, next) {
        case (.unread, .seen): true
        case (.failed, .queued), (.queued, .failed), (.sent, .failed): true
        case (.queued, .sent), (.queued, .delivered), (.queued, .read): true
        case (.failed, .sent), (.failed, .delivered), (.failed, .read): true
        case (.sent, .delivered), (.sent, .read), (.delivered, .read): true
        default: false
        }
    }
}

extension StoredMessage {
    /// What is sealed: everything but row, contact, state and the time of disappearing, which are columns. The contact is bound as the cell's owner.
    func encode() -> [UInt8] {
        var record = RecordWriter()
        record.write(1, messageID)
        record.write(2, [direction.rawValue])
        record.write(3, [kind])
        record.write(4, Array(text.utf8))
        if !payload.isEmpty { record.write(5, payload) }
        record.write(6, sentAt)
        record.write(7, storedAt)
        record.write(8, sequence)
        record.write(9, replyTo)
        record.write(10, reason.map { Array($0.utf8) })
        for reaction in reactions { record.write(11, [reaction.isOwn ? 1 : 0] + Array(reaction.text.utf8)) }
        record.write(12, editedAt)
        record.write(13, isDeleted)
        record.write(14, expiresAfter.map { UInt64($0) })
        record.write(15, editSequence)
        record.write(16, isProvisional)
        return record.finish()
    }

    /// Reads what ``encode()`` made, and the columns beside it.
    init(decoding bytes: [UInt8], row: Int64, contact: ContactRow, state: Int64, expires: Int64?) throws(VaultError) {
        guard let state = State(rawValue: state) else { throw .damaged(detail: "history.state, row \(row)") }
        self.init(
            contact: contact, direction: .incoming, messageID: [], text: "", sentAt: 0, storedAt: 0, state: state)
        self.row = row
        expiresAt = expires.map { UInt64(clamping: $0) }
        var reader = RecordReader(bytes)
        while let (tag, value) = try reader.next() { try take(tag, value) }
        guard messageID.count == Self.idByteCount else { throw RecordReader.malformed }
    }

    private mutating func take(_ tag: UInt8, _ value: ArraySlice<UInt8>) throws(VaultError) {
        switch tag {
        case 1: messageID = try value.recordBytes(Self.idByteCount)
        case 2:
            guard let byte = value.first, let known = Direction(rawValue: byte) else { throw RecordReader.malformed }
            direction = known
        case 3: kind = value.first ?? 0
        case 4: text = try value.recordText()
        case 5: payload = Array(value)
        case 6: sentAt = try value.recordInteger()
        case 7: storedAt = try value.recordInteger()
        case 8: sequence = try value.recordInteger()
        case 9: replyTo = Array(value)
        case 10: reason = try value.recordText()
        case 11: reactions.append(Reaction(isOwn: value.first == 1, text: try value.dropFirst().recordText()))
        case 12: editedAt = try value.recordInteger()
        case 13: isDeleted = value.recordFlag()
        case 14: expiresAfter = UInt32(clamping: try value.recordInteger())
        case 15: editSequence = try value.recordInteger()
        case 16: isProvisional = value.recordFlag()
        default: break
        }
    }
}
