package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
	grpcstatus "google.golang.org/grpc/status"
)

func tlsClient(conn net.Conn, roots *x509.CertPool) *tls.Conn {
	return tls.Client(conn, &tls.Config{ServerName: "localhost", RootCAs: roots})
}

// textCodec carries strings, so that no generated code is needed.
type textCodec struct{}

func (textCodec) Name() string                    { return "text" }
func (textCodec) Marshal(v any) ([]byte, error)   { return json.Marshal(v) }
func (textCodec) Unmarshal(b []byte, v any) error { return json.Unmarshal(b, v) }

// A bidirectional stream answers each message before the next is sent, and ends
// with a status in the trailers.
func TestGRPCStream(t *testing.T) {
	encoding.RegisterCodec(textCodec{})
	cert, caPEM := testCA(t)
	srv := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&cert)), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		for {
			var in string
			if err := s.RecvMsg(&in); err == io.EOF {
				return grpcstatus.Error(codes.OutOfRange, "that was all")
			} else if err != nil {
				return err
			}
			if err := s.SendMsg("echo " + in); err != nil {
				return err
			}
		}
	}))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(ln)
	defer srv.Stop()
	dir := t.TempDir()
	caFile := writeFile(t, dir, "up.pem", caPEM)
	c := startControl(t, dir, "-upstream-ca", caFile)

	_, port, _ := net.SplitHostPort(ln.Addr().String())
	conn, err := grpc.NewClient("passthrough:///localhost:"+port, grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(pool(t, c.CA), "localhost")),
		grpc.WithDefaultCallOptions(grpc.CallContentSubtype("text")), grpc.WithContextDialer(connectDialer(hostOf(c.Proxy))))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/shop.Orders/Watch")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		msg := fmt.Sprint("message ", i)
		if err := stream.SendMsg(msg); err != nil {
			t.Fatal(err)
		}
		var out string
		if err := stream.RecvMsg(&out); err != nil || out != "echo "+msg {
			t.Fatalf("answer %q, %v", out, err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	var rest string
	if err := stream.RecvMsg(&rest); grpcstatus.Code(err) != codes.OutOfRange || !strings.Contains(err.Error(), "that was all") {
		t.Errorf("end of the stream: %v", err)
	}
	eventually(t, func() error {
		for _, e := range c.records(t, "").Log.Entries {
			if strings.HasSuffix(e.Request.URL, "/shop.Orders/Watch") && e.Response.Status == 200 {
				return nil
			}
		}
		return fmt.Errorf("the stream is not recorded")
	})
}
