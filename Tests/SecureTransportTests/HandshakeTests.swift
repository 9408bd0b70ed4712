import Noise
import Paths
import Testing

@testable import SecureTransport

@Suite struct HandshakeTests {
    @Test func bothEndsAgreeAndExchangeGreetings() throws {
        let network = try VirtualNetwork()
        var asked: [(PublicKey, [UInt8])] = []
        network.authorize = { key, greeting in
            asked.append((key, greeting))
            return Array("come in".utf8)
        }
        #expect(network.connect())
        #expect(network.client.contains(.handshakeCompleted(greeting: Array("come in".utf8))))
        let server = try #require(network.server)
        #expect(server.contains(.handshakeCompleted(greeting: Array("hello".utf8))))
        #expect(asked.count == 1)
        #expect(asked[0].1 == Array("hello".utf8))
        #expect(server.session.peer == asked[0].0)
        #expect(network.client.session.peer == network.serverKeys.publicKey)
        #expect(network.client.session.cipher == server.session.cipher)
    }

    @Test func takesOneRoundTripForTheCallerAndOneAndAHalfForTheAnswerer() throws {
        let network = try VirtualNetwork()
        network.run { network.client.isConnected }
        #expect(network.now - VirtualNetwork.start < .milliseconds(22))
        network.run { network.server?.isConnected == true }
        #expect(network.now - VirtualNetwork.start < .milliseconds(33))
    }

    @Test func aMessageWrittenAtOnceArrivesWithTheConfirmation() throws {
        let network = try VirtualNetwork()
        network.run { network.client.isConnected }
        let stream = try network.client.session.openStream(bidirectional: true)
        #expect(stream.rawValue == 0)
        network.client.send(Array("first".utf8), on: stream)
        network.run { network.server?.received[stream] == Array("first".utf8) }
        #expect(network.now - VirtualNetwork.start < .milliseconds(33))
    }
}
