package probe

import (
	"net"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// newNameServer answers for web.test on a loopback port, and returns its
// address.
func newNameServer(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var query dnsmessage.Message
			if query.Unpack(buffer[:n]) != nil || len(query.Questions) == 0 {
				continue
			}
			reply, err := answer(query)
			if err == nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

func answer(query dnsmessage.Message) ([]byte, error) {
	question := query.Questions[0]
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true, RecursionAvailable: true},
		Questions: query.Questions[:1],
	}
	header := dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: 1, Type: question.Type}
	switch {
	case question.Name.String() != "web.test.":
		reply.RCode = dnsmessage.RCodeNameError
	case question.Type == dnsmessage.TypeA:
		reply.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: [4]byte{10, 1, 2, 3}}}}
	case question.Type == dnsmessage.TypeTXT:
		reply.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.TXTResource{TXT: []string{"v=1"}}}}
	}
	return reply.Pack()
}
