import CNice
import CSotto
import Synchronization
import Wire

// Making an agent and tearing it down. The order of the second is what keeps libnice 0.1.21 from crashing and leaking:
//
// 1. Signals are disconnected. All this runs as jobs of the loop, never inside a callback of libnice.
// 2. nice_agent_close_async: it cancels the resolution of the STUN server's name (also of an address), whose callback would
//    else look for a stream that is gone and follow a null pointer, and gives back TURN allocations.
// 3. Its answer, then two more turns of the loop, so that the cancelled resolution is delivered while the agent lives: it
//    leaks its request otherwise.
// 4. The stream is removed and the agent released. Sources that libnice has left in the GMainContext hold it weakly.
extension AgentCore {
    /// An agent as Sotto wants it, its signals connected: `candidate-gathering-done` may come inside the call that starts
    /// gathering.
    func makeAgent() -> OpaquePointer? {
        // Aggressive nomination (no REGULAR_NOMINATION): a pair after 50 ms where regular takes 2 s. No CONSENT_FRESHNESS:
        // liveness is ours, and with it a 403 of the peer before any pair is selected follows a null pointer.
        guard let agent = nice_agent_new_full(loop.context, NICE_COMPATIBILITY_RFC5245, NICE_AGENT_OPTION_ICE_TRICKLE)
        else { return nil }
        sotto_nice_agent_set_bool(agent, "controlling-mode", configuration.role == .controlling)
        sotto_nice_agent_set_bool(agent, "ice-tcp", false)
        sotto_nice_agent_set_bool(agent, "upnp", false)
        sotto_nice_agent_set_bool(agent, "force-relay", configuration.relayedOnly)
        sotto_nice_agent_set_uint(agent, "idle-timeout", AgentCore.idleTimeout)
        let servers = configuration.stunServers
        if let server = servers.first(where: { !$0.address.isV6 }) ?? servers.first {
            sotto_nice_agent_set_string(agent, "stun-server", server.address.description)
            sotto_nice_agent_set_uint(agent, "stun-server-port", guint(server.port))
        }
        var handlers = NiceCallbacks.signals
        sotto_nice_agent_connect(agent, &handlers, id)
        return agent
    }

    func close() {
        switch phase {
        case .new:
            finishClosing()
        case .open:
            guard let agent else { return finishClosing() }
            shared.isClosing.store(true, ordering: .relaxed)
            phase = .closing
            sotto_nice_agent_disconnect(agent, id)
            nice_agent_close_async(agent, NiceCallbacks.allocationsReleased, AgentRegistry.pointer(id))
            if !configuration.turnServers.isEmpty { startTimer(AgentCore.releaseTimeout, NiceCallbacks.closeDeadline) }
        case .closing, .closed:
            break
        }
    }

    func allocationsReleased() {
        guard phase == .closing else { return }
        let id = id
        let loop = loop
        loop.post { loop.post { AgentRegistry.agent(id)?.finishClosing() } }
    }

    /// A TURN allocation granted after `nice_agent_close_async` is never given back by it, so that its answer does not come:
    /// removing the stream ends what is under way. Should it not come even then, the agent leaks rather than the owner waits.
    func closeDeadlinePassed() {
        guard phase == .closing else { return }
        if stream != 0, let agent {
            nice_agent_remove_stream(agent, stream)
            stream = 0
            startTimer(AgentCore.releaseTimeout, NiceCallbacks.closeDeadline)
        } else {
            finishClosing()
        }
    }

    func finishClosing() {
        guard phase != .closed else { return }
        phase = .closed
        shared.isClosing.store(true, ordering: .relaxed)
        if let agent {
            if stream != 0 { nice_agent_remove_stream(agent, stream) }
            sotto_nice_agent_unref(agent)
        }
        agent = nil
        AgentRegistry.remove(id)
        loop.remove(id)
        emitClosed()
    }
}
