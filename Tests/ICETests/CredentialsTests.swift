import ICE
import Testing
import Wire

@Suite struct CredentialsTests {
    private let id = [UInt8](repeating: 1, count: 16)

    @Test func theAnswerersFollowFromTheOfferAlone() throws {
        let offer = try ICECredentials(ufrag: "abcd", password: String(repeating: "p", count: 24))
        let answer = ICECredentials.answering(offer, connectionID: id)
        #expect(answer == ICECredentials.answering(offer, connectionID: id))
        #expect(answer.ufrag.count == 8 && answer.password.count == 32)
        // What the protocol page says.
        #expect(answer == (try ICECredentials(ufrag: "hb7QA4pO", password: "s1to7NbrSuJBc+iZwOe5j0c+pdRjYXlY")))
        let others = [
            ICECredentials.answering(offer, connectionID: [UInt8](repeating: 2, count: 16)),
            .answering(try ICECredentials(ufrag: "abce", password: offer.password), connectionID: id),
            .answering(try ICECredentials(ufrag: "abcd", password: offer.password + "p"), connectionID: id),
        ]
        #expect(Set(others + [answer]).count == 4)
    }

    @Test func freshOnesDiffer() {
        let made = (0..<100).map { _ in ICECredentials.random() }
        #expect(Set(made.map(\.ufrag)).count == 100 && Set(made.map(\.password)).count == 100)
    }
}
