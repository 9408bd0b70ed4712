import Noise
import Testing

@testable import Vault

@Suite struct SmokeTests {
    @Test func everythingSurvivesReopening() async throws {
        let home = try TestHome()
        var contact = try StoredContact.sample()
        do {
            let vault = try home.create()
            let peer = contact
            contact.row = try await vault.write { tx in
                let row = try tx.insertContact(peer)
                for n in 0..<10 {
                    try tx.appendMessage(.sample(row, n, "message number \(n)"))
                    try tx.appendOutbox(.sample(row, n))
                }
                try tx.setRatchet(SecretBytes(copying: [1, 2, 3]), for: row)
                return row
            }
            #expect(try vault.search("mess num", limit: 3).map(\.messageID) == [id(9), id(8), id(7)])
            vault.close()
        }
        let vault = try home.open()
        #expect(try vault.read { try $0.contacts() } == [contact])
        let texts = try vault.read { try $0.messages(with: contact.row, last: 3).map(\.text) }
        #expect(texts == ["message number 7", "message number 8", "message number 9"])
        #expect(try vault.search("3", limit: 10).map(\.text) == ["message number 3"])
        vault.close()
    }
}
