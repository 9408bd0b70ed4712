import Testing
import Wire

@testable import GatewayHelper

struct GatewayURLTests {
    private static let gateway = IPAddress.v4(192, 168, 1, 1)

    @Test(arguments: [
        "http://192.168.1.1/", "http://192.168.1.1:80/", "http://192.168.1.1:65535/desc.xml",
        "http://192.168.1.1:5000/a/b?c=d;e=f#g", "http://192.168.1.1/http://10.0.0.1/", "http://192.168.1.1/@10.0.0.1/",
    ])
    func theGatewaysOwnAreFetched(url: String) {
        #expect(GatewayURL.isAt(Self.gateway, url.utf8))
    }

    @Test(arguments: [
        "", "http://", "http://192.168.1.1", "http://192.168.1.1:5000", "http://192.168.1.10/",
        "http://192.168.1.1.example/",
        "http://192.168.1.2/", "http://10.0.0.1/192.168.1.1/", "https://192.168.1.1/", "HTTP://192.168.1.1/",
        " http://192.168.1.1/", "http://192.168.1.1 /", "http://192.168.1.1/ ", "http://192.168.1.1/\r\nHost: a",
        "http://192.168.1.1@10.0.0.1/", "http://192.168.1.1:80@10.0.0.1/", "http://192.168.1.1:@10.0.0.1/",
        "http://user@192.168.1.1/", "http://192.168.1.1:0/", "http://192.168.1.1:65536/", "http://192.168.1.1:/",
        "http://192.168.1.1:99999999999/", "http://192.168.1.1:-1/", "http://192.168.1.1:80a/", "http://192.168.1.1\\/",
        "http://0300.0250.1.1/", "http://3232235777/", "http://192.168.001.001/", "http://192.168.1.1%2f/",
        "http://[::ffff:192.168.1.1]/", "http://router.local/", "http://192.168.1.1?/", "http://192.168.1.1#/",
        "file:///etc/passwd", "ftp://192.168.1.1/", "//192.168.1.1/", "/desc.xml", "http://192.168.1.1/ü",
        "http://192.168.1.1/" + String(repeating: "a", count: 256),
    ])
    func othersAreNot(url: String) {
        #expect(!GatewayURL.isAt(Self.gateway, url.utf8))
    }
}
