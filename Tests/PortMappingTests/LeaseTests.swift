import Testing
import Wire

@testable import PortMapping

struct LeaseTests {
    @Test(
        arguments: [(0, 60), (59, 60), (600, 600), (3_600, 3_600), (3_601, 3_600), (UInt32.max, 3_600)]
            as [(UInt32, UInt32)])
    func isBoundedWhateverTheGatewaySays(granted: UInt32, seconds: UInt32) {
        let lease = Lease(granted: granted)
        #expect(lease.seconds == seconds)
        #expect(lease.renewal == seconds / 2)
        #expect(lease.retry > 0 && lease.retry < lease.renewal)
    }
}

struct MappedAddressTests {
    /// A gateway behind another NAT has an address that leads nowhere.
    @Test(arguments: [
        ("203.0.113.7", true), ("8.8.8.8", true), ("10.0.0.1", false), ("192.168.1.1", false), ("172.16.0.1", false),
        ("100.64.3.4", false), ("169.254.0.1", false), ("127.0.0.1", false), ("0.0.0.0", false),
        ("255.255.255.255", false), ("224.0.0.1", false), ("240.0.0.1", false), ("192.0.0.1", false),
        ("198.18.0.1", false), ("2001:db8::1", false),
    ])
    func onlyPublicAddressesAreTold(text: String, isUsable: Bool) throws {
        #expect(MappedAddress.isUsable(try IPAddress(text)) == isUsable)
    }
}
