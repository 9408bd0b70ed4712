import Foundation
import Identity
import Noise
import Vault

// A process that writes into a vault until it is killed, or until its disk is full: what only another process can show.
//
//   vault-writer write DIRECTORY          units numbered from where the vault ends, each confirmed on standard output
//   vault-writer fill DIRECTORY           writes until the disk is full, removes DIRECTORY/ballast, and goes on
//   vault-writer contact DIRECTORY NAME   adds one contact
//   vault-writer measure DIRECTORY N      figures
//
// The identity is the same for all: a seed of 32 sevens.

@Sendable func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = bytes.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
}

func id(_ number: Int, _ mark: UInt8) -> [UInt8] {
    (0..<15).map { UInt8(truncatingIfNeeded: $0 < 8 ? number >> ($0 * 8) : 0) } + [mark]
}

/// One unit as a message makes it: history, outbox and ratchet state belong together.
@Sendable func unit(_ number: Int, _ contact: ContactRow, text: String = "number")
    -> @Sendable (VaultTransaction) throws -> Void
{
    { transaction in
        try transaction.appendMessage(
            StoredMessage(
                contact: contact, direction: .outgoing, messageID: id(number, 1), text: "\(text) \(number)",
                sentAt: UInt64(number), storedAt: UInt64(number), state: .queued))
        try transaction.appendOutbox(
            OutboxEntry(
                contact: contact, envelopeID: id(number, 2), messageID: id(number, 1), kind: 1, createdAt: 1,
                ciphertext: [UInt8](repeating: 0xC5, count: 400), content: []))
        try transaction.setRatchet(SecretBytes(copying: id(number, 3)), for: contact)
    }
}

func contact(_ vault: Vault) throws -> ContactRow {
    if let known = try vault.read({ try $0.contacts().first }) { return known.row }
    let peer = try Identity.generate().peerID
    return try vault.writeAndWait { try $0.insertContact(StoredContact(peer: peer, name: "bob", createdAt: 1)) }
}

/// Submits units for ever, a few hundred ahead of what is confirmed.
func write(_ vault: Vault) throws -> Never {
    let row = try contact(vault)
    var number = try vault.read { try $0.messageCount(with: row) }
    let room = DispatchSemaphore(value: 300)
    while true {
        room.wait()
        number += 1
        let own = number
        vault.submit(unit(own, row)) { result in
            switch result {
            case .success: say("\(own)")
            case .failure(let error): say("failed \(own) \(error)")
            }
            room.signal()
        }
    }
}

func fill(_ vault: Vault, _ directory: String) throws {
    let row = try contact(vault)
    var number = 0
    var isFull = false
    while !isFull {
        number += 1
        do {
            try vault.writeAndWait(unit(number, row))
        } catch {
            say("failed \(number) \(error)")
            isFull = true
        }
    }
    say("kept \(try vault.read { try $0.messageCount(with: row) })")
    unlink(directory + "/ballast")
    for next in number..<number + 20 { try vault.writeAndWait(unit(next, row)) }
    say("then \(try vault.read { try $0.messageCount(with: row) })")
    say("check \(try vault.check().count)")
    vault.close()
}

/// Messages of a contact that come late in the order that costs most, into a conversation of large ones. What one takes in the mean, and the longest.
func measureDisorder(_ vault: Vault) throws -> (mean: Duration, longest: Duration) {
    let peer = try Identity.generate().peerID
    let eve = try vault.writeAndWait { try $0.insertContact(StoredContact(peer: peer, name: "eve", createdAt: 1)) }
    let clock = ContinuousClock()
    let text = String(repeating: "x", count: 16_000)
    return try vault.writeAndWait { transaction in
        func append(_ number: Int, _ sequence: Int) throws {
            var message = StoredMessage(
                contact: eve, direction: .incoming, messageID: id(number, 4), text: text, sentAt: 0,
                storedAt: 1_700_000_000_000, state: .unread)
            message.sequence = UInt64(sequence)
            try transaction.appendMessage(message)
        }
        for number in 1...1_000 { try append(number, number << 38) }
        var (total, longest) = (Duration.zero, Duration.zero)
        for number in 0..<1_000 {
            var (last, next) = (890 << 38 + (number / 24) << 30, 890 << 38 + (number / 24) << 30 + 1 << 29)
            for _ in 0..<number % 24 { (last, next) = (next, (last + next) / 2) }
            let sequence = last
            let time = try clock.measure { try append(2_000 + number, sequence) }
            (total, longest) = (total + time, max(longest, time))
        }
        return (total / 1_000, longest)
    }
}

func measure(_ directory: String, _ identity: Identity, _ count: Int) throws {
    let clock = ContinuousClock()
    var vault = try Vault.open(at: directory, identity: identity)
    let row = try contact(vault)
    let one = try clock.measure { for number in 1...200 { try vault.writeAndWait(unit(number, row)) } }
    say("one at a time: \(Int(200 / (one / .seconds(1)))) units/s, \(one / 200) each")
    let done = DispatchSemaphore(value: 0)
    let many = clock.measure {
        for number in 201...count {
            vault.submit(unit(number, row, text: "the quick brown fox jumps over the lazy dog")) { _ in
                if number == count { done.signal() }
            }
        }
        done.wait()
    }
    say("pipelined: \(Int(Double(count - 200) / (many / .seconds(1)))) units/s")
    vault.close()
    let opening = try clock.measure { vault = try Vault.open(at: directory, identity: identity) }
    let indexing = try clock.measure { try vault.waitForIndex() }
    let searching = try clock.measure { _ = try vault.search("\(count / 2)", limit: 50) }
    let common = try clock.measure { _ = try vault.search("fox lazy", limit: 50) }
    let page = try clock.measure { _ = try vault.read { try $0.messages(with: row, last: 50) } }
    say("open: \(opening), index of \(count): \(indexing), search rare: \(searching), common: \(common), page: \(page)")
    let disorder = try measureDisorder(vault)
    say("late messages, 16 KB each, at worst: mean \(disorder.mean), longest \(disorder.longest)")
    let checking = try clock.measure { _ = try vault.check() }
    say("check: \(checking)")
    vault.close()
}

func run(_ arguments: [String]) throws {
    let identity = try Identity(seed: SecretBytes(copying: [UInt8](repeating: 7, count: 32)))
    let directory = arguments[2]
    if !Vault.exists(at: directory) { try Vault.create(at: directory, identity: identity).close() }
    switch arguments[1] {
    case "write": try write(Vault.open(at: directory, identity: identity))
    case "fill": try fill(Vault.open(at: directory, identity: identity), directory)
    case "contact":
        let vault = try Vault.openWithoutIndex(at: directory, identity: identity)
        let (peer, name) = (try Identity.generate().peerID, arguments[3])
        try vault.writeAndWait { _ = try $0.insertContact(StoredContact(peer: peer, name: name, createdAt: 1)) }
        vault.close()
    case "measure": try measure(directory, identity, Int(arguments[3]) ?? 1_000)
    default: exit(64)
    }
}

guard CommandLine.arguments.count >= 3 else { exit(64) }
do {
    try run(CommandLine.arguments)
} catch {
    say("error: \(error)")
    exit(1)
}
