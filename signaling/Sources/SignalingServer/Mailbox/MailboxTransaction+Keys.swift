import GRDB
import Wire

// Whose mail a peer takes, and the keys that it has published.
extension MailboxTransaction {
    func change(_ change: CapabilityChange, of peer: PeerKey) throws(MailboxError) -> Bool {
        switch change {
        case .replace(let digests):
            guard Set(digests).count <= limits.capabilities else { return false }
            let box = try ownBox(of: peer)
            try write("UPDATE capability SET registered = 0 WHERE box = ?", [.integer(box)])
            for digest in digests { try register(digest, box) }
            try write("DELETE FROM capability WHERE box = ? AND registered = 0 AND items <= 0", [.integer(box)])
        case .add(let digests):
            let registered = try registered(of: peer)
            guard registered.union(digests).count <= limits.capabilities else { return false }
            let box = try ownBox(of: peer)
            for digest in digests where !registered.contains(digest) { try register(digest, box) }
        case .remove(let digests):
            let box = DatabaseValue.integer(try ownBox(of: peer))
            for digest in digests {
                let which = [box, .blob(digest.bytes)]
                try write("DELETE FROM capability WHERE box = ? AND digest = ? AND items <= 0", which)
                try write("UPDATE capability SET registered = 0 WHERE box = ? AND digest = ?", which)
            }
        }
        return true
    }

    /// What waits under it from before it was taken away counts again.
    private func register(_ digest: CapabilityDigest, _ box: Int64) throws(MailboxError) {
        try write(
            """
            INSERT INTO capability (box, digest, registered) VALUES (?, ?, 1)
            ON CONFLICT (box, digest) DO UPDATE SET registered = 1
            """, [.integer(box), .blob(digest.bytes)])
    }

    private func registered(of peer: PeerKey) throws(MailboxError) -> Set<CapabilityDigest> {
        guard let box = try box(of: peer) else { return [] }
        var digests: Set<CapabilityDigest> = []
        try session.forEachRow(
            "SELECT digest FROM capability WHERE box = ? AND registered = 1", [.integer(box.id)]
        ) { (row) throws(MailboxError) in
            if let digest = try? CapabilityDigest(row.blob(0)) { digests.insert(digest) }
            return true
        }
        return digests
    }

    func publish(_ publication: PrekeyPublicationLayout) throws(MailboxError) {
        let box = DatabaseValue.integer(try ownBox(of: publication.peer))
        let old = try session.row("SELECT batch FROM prekeys WHERE box = ?", [box])
        let isSameBatch = try old?.blob(0) == publication.batch
        try write(
            """
            INSERT INTO prekeys (box, batch, signed) VALUES (?, ?, ?)
            ON CONFLICT (box) DO UPDATE SET batch = excluded.batch, signed = excluded.signed
            """, [box, .blob(publication.batch), .blob(publication.signed)])
        // Some of this batch may have been handed out since.
        guard !isSameBatch else { return }
        try write("DELETE FROM one_time WHERE box = ?", [box])
        for record in publication.oneTime {
            try write("INSERT INTO one_time (box, record) VALUES (?, ?)", [box, .blob(record)])
        }
    }

    func bundle(of peer: PeerKey, capability: CapabilityDigest?) throws(MailboxError) -> [UInt8] {
        guard let box = try box(of: peer) else { return [] }
        let id = DatabaseValue.integer(box.id)
        guard let prekeys = try session.row("SELECT signed FROM prekeys WHERE box = ?", [id]) else { return [] }
        let signed = try prekeys.blob(0)
        guard let capability else { return PrekeyPublicationLayout.bundle(of: peer, signed: signed, oneTime: nil) }
        let isKnown = try session.row(
            "SELECT 1 FROM capability WHERE box = ? AND digest = ? AND registered = 1", [id, .blob(capability.bytes)])
        guard isKnown != nil,
            let row = try session.row("SELECT id, record FROM one_time WHERE box = ? ORDER BY id LIMIT 1", [id])
        else { return PrekeyPublicationLayout.bundle(of: peer, signed: signed, oneTime: nil) }
        let record = try row.blob(1)
        try write("DELETE FROM one_time WHERE id = ?", [.integer(try row.integer(0))])
        return PrekeyPublicationLayout.bundle(of: peer, signed: signed, oneTime: record)
    }
}
