import Glibc
import Testing
import Wire

@testable import ICE

@Suite struct NetworkMonitorTests {
    @Test func anInterfaceCountsWhenItIsUpAndHasACarrier() {
        let (up, running) = (UInt32(IFF_UP), UInt32(IFF_RUNNING))
        #expect(NetworkMonitor.isInUse(flags: up | running | UInt32(IFF_BROADCAST)))
        // A pulled cable.
        #expect(!NetworkMonitor.isInUse(flags: up))
        #expect(!NetworkMonitor.isInUse(flags: running))
        #expect(!NetworkMonitor.isInUse(flags: 0))
    }

    @Test func tellsNoLoopbackAndNoLinkLocalAddress() {
        #expect(NetworkMonitor.addresses().allSatisfy { !$0.isLoopback && !$0.isLinkLocal })
    }
}
