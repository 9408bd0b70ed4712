import CNice
import CSotto

/// All agents by number. libnice's callbacks carry the number, never a pointer: one that comes late finds nothing.
enum AgentRegistry {
    private static let agents = Locked<[UInt: AgentCore]>([:])

    static func add(_ agent: AgentCore) {
        agents.withLock { $0[agent.id] = agent }
    }

    static func remove(_ id: UInt) {
        // Released outside the lock: what an owner's closure holds may call back.
        let removed = agents.withLock { $0.removeValue(forKey: id) }
        withExtendedLifetime(removed) {}
    }

    static func agent(_ id: UInt) -> AgentCore? {
        agents.withLock { $0[id] }
    }

    /// How many agents are not yet closed, for tests.
    static var count: Int {
        agents.withLock { $0.count }
    }

    static func agent(_ id: UnsafeMutableRawPointer?) -> AgentCore? {
        agent(UInt(bitPattern: id))
    }

    static func pointer(_ id: UInt) -> UnsafeMutableRawPointer? {
        UnsafeMutableRawPointer(bitPattern: id)
    }
}

/// The functions that libnice calls, always on the loop's thread: signals are emitted by whoever drives the agent, and only
/// that thread does.
enum NiceCallbacks {
    static let signals = SottoNiceHandlers(
        new_candidate: { _, candidate, id in
            guard let signalled = candidate.pointee.signalled else { return }
            AgentRegistry.agent(id)?.foundLocal(signalled)
        },
        new_remote_candidate: { _, _, id in AgentRegistry.agent(id)?.learnedRemote() },
        gathering_done: { _, _, id in AgentRegistry.agent(id)?.finishedGathering() },
        new_selected_pair: { _, _, _, _, _, id in AgentRegistry.agent(id)?.selectedPairChanged() },
        state_changed: { _, _, _, state, id in
            AgentRegistry.agent(id)?.stateChanged(hasFailed: state == NICE_COMPONENT_STATE_FAILED.rawValue)
        })

    static let received: NiceAgentRecvFunc = { _, _, _, length, bytes, id in
        AgentRegistry.agent(id)?.received(UnsafeRawBufferPointer(start: bytes, count: Int(length)))
    }

    static let allocationsReleased: GAsyncReadyCallback = { _, _, id in
        AgentRegistry.agent(id)?.allocationsReleased()
    }

    static let closeDeadline: GSourceFunc = { id in
        AgentRegistry.agent(id)?.closeDeadlinePassed()
        return 0
    }

    static let hopeEnded: GSourceFunc = { id in
        AgentRegistry.agent(id)?.hopeEnded()
        return 0
    }
}
