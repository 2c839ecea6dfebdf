// A peer for tests of interoperation: Go's gRPC as client or server. Messages pass as octets, so that it needs no generated code.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

type octets struct{}

func (octets) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (octets) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (octets) Name() string { return "proto" }

// Command is a call to make; Outcome is what became of it. Messages are in hexadecimal.
type Command struct {
	Method    string            `json:"method"`
	Requests  []string          `json:"requests"`
	Repeat    int               `json:"repeat"`
	TimeoutMs int               `json:"timeoutMs"`
	Take      int               `json:"take"`
	Metadata  map[string]string `json:"metadata"`
}
type Outcome struct {
	Responses []string    `json:"responses"`
	Code      string      `json:"code"`
	Message   string      `json:"message"`
	Details   int         `json:"details"`
	Header    metadata.MD `json:"header"`
	Trailer   metadata.MD `json:"trailer"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: grpc-peer client|server SOCKET")
		os.Exit(2)
	}
	run := map[string]func(string) error{"client": client, "server": server}[os.Args[1]]
	if err := run(os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// client makes the calls that it reads, a JSON object a line, and writes their outcomes, one after the other on one connection.
func client(path string) error {
	connection, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(octets{}), grpc.MaxCallRecvMsgSize(1<<30)))
	if err != nil {
		return err
	}
	defer connection.Close()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var command Command
		if err := json.Unmarshal(lines.Bytes(), &command); err != nil {
			return err
		}
		text, _ := json.Marshal(call(connection, command))
		fmt.Println(string(text))
	}
	return lines.Err()
}

func call(connection *grpc.ClientConn, command Command) (outcome Outcome) {
	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(context.Background(), metadata.New(command.Metadata)))
	defer cancel()
	if command.TimeoutMs > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(command.TimeoutMs)*time.Millisecond)
		defer cancel()
	}
	outcome.Responses = []string{}
	finish := func(err error) Outcome {
		state, _ := status.FromError(err)
		outcome.Code, outcome.Message, outcome.Details = state.Code().String(), state.Message(), len(state.Details())
		return outcome
	}
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, command.Method)
	if err != nil {
		return finish(err)
	}
	go func() {
		for range max(command.Repeat, 1) {
			for _, text := range command.Requests {
				request, _ := hex.DecodeString(text)
				if stream.SendMsg(&request) != nil {
					return
				}
			}
		}
		_ = stream.CloseSend()
	}()
	for command.Take == 0 || len(outcome.Responses) < command.Take {
		var response []byte
		if err := stream.RecvMsg(&response); err != nil {
			outcome.Header, _ = stream.Header()
			outcome.Trailer = stream.Trailer()
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return finish(err)
		}
		outcome.Responses = append(outcome.Responses, hex.EncodeToString(response))
	}
	cancel()
	return finish(nil)
}

// server serves vigil.test.Toy until its input ends.
func server(path string) error {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	serving := grpc.NewServer(grpc.ForceServerCodec(octets{}), grpc.UnknownServiceHandler(answer), grpc.MaxRecvMsgSize(1<<30))
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		serving.Stop()
	}()
	fmt.Println("ready")
	return serving.Serve(listener)
}

type request struct {
	text                     string
	count, failWith, delayMs uint64
}

func parse(message []byte) (parsed request) {
	for len(message) > 0 {
		number, kind, size := protowire.ConsumeTag(message)
		message = message[size:]
		if kind == protowire.BytesType {
			value, size := protowire.ConsumeBytes(message)
			if number == 1 {
				parsed.text = string(value)
			}
			message = message[size:]
			continue
		}
		value, size := protowire.ConsumeVarint(message)
		message = message[size:]
		switch number {
		case 2:
			parsed.count = value
		case 4:
			parsed.failWith = value
		case 5:
			parsed.delayMs = value
		}
	}
	return parsed
}

func response(text string, index uint64) *[]byte {
	message := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), text)
	message = protowire.AppendVarint(protowire.AppendTag(message, 2, protowire.VarintType), index)
	return &message
}

func answer(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	if incoming, ok := metadata.FromIncomingContext(stream.Context()); ok {
		stream.SetTrailer(metadata.MD{"x-text": incoming.Get("x-text")})
	}
	joined, received := "", uint64(0)
	for {
		var message []byte
		if err := stream.RecvMsg(&message); err != nil {
			if !errors.Is(err, io.EOF) {
				return err
			}
			if method == "/vigil.test.Toy/Join" {
				return stream.SendMsg(response(joined, received))
			}
			return nil
		}
		parsed := parse(message)
		select {
		case <-time.After(time.Duration(parsed.delayMs) * time.Millisecond):
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
		if parsed.failWith != 0 {
			return status.Error(codes.Code(parsed.failWith), parsed.text)
		}
		received++
		switch method {
		case "/vigil.test.Toy/Echo":
			// A request has its text and payload where a response has them.
			return stream.SendMsg(&message)
		case "/vigil.test.Toy/Converse":
			if err := stream.SendMsg(response(parsed.text, received)); err != nil {
				return err
			}
		case "/vigil.test.Toy/Join":
			joined += parsed.text + ","
		case "/vigil.test.Toy/Count":
			for index := range parsed.count {
				if err := stream.SendMsg(response(parsed.text, index)); err != nil {
					return err
				}
			}
			return nil
		default:
			return status.Error(codes.Unimplemented, "no such method")
		}
	}
}
