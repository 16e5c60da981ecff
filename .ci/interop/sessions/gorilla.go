// Go's gorilla in a session.
//
//	gorilla client URL MESSAGES
//	gorilla server MESSAGES
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gorilla/websocket"
)

type message struct {
	kind    int
	content []byte
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	messages, err := read(os.Args[len(os.Args)-1])
	if err != nil {
		return err
	}
	if os.Args[1] == "server" {
		return server(messages)
	}
	dialer := websocket.Dialer{EnableCompression: true}
	socket, _, err := dialer.Dial(os.Args[2], nil)
	if err != nil {
		return err
	}
	return session(socket, messages)
}

// The messages of the file that messages.py writes.
func read(path string) ([]message, error) {
	kinds := map[byte]int{'t': websocket.TextMessage, 'b': websocket.BinaryMessage}
	data, err := os.ReadFile(path)
	messages := []message{}
	for len(data) > 0 {
		end := 5 + binary.LittleEndian.Uint32(data[1:])
		messages = append(messages, message{kinds[data[0]], data[5:end]})
		data = data[end:]
	}
	return messages, err
}

func session(socket *websocket.Conn, messages []message) error {
	sent := make(chan error, 1)
	go func() {
		for _, m := range messages {
			if err := socket.WriteMessage(m.kind, m.content); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for n, m := range messages {
		socket.SetReadDeadline(time.Now().Add(time.Minute))
		kind, got, err := socket.ReadMessage()
		if err != nil {
			return fmt.Errorf("after %d messages: %w", n, err)
		}
		if kind != m.kind || !bytes.Equal(got, m.content) {
			return fmt.Errorf("message %d of %d bytes differs: %d bytes of kind %d", n, len(m.content), len(got), kind)
		}
	}
	if err := <-sent; err != nil {
		return err
	}
	normal := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := socket.WriteMessage(websocket.CloseMessage, normal); err != nil {
		return err
	}
	_, _, err := socket.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		return fmt.Errorf("in place of the Close frame: %w", err)
	}
	return socket.Close()
}

func server(messages []message) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	upgrader := websocket.Upgrader{EnableCompression: true}
	fmt.Printf("listening on %d\n", listener.Addr().(*net.TCPAddr).Port)
	go http.Serve(listener, http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		socket, err := upgrader.Upgrade(response, request, nil)
		if err != nil {
			done <- err
		} else if request.URL.Path == "/getCaseCount" {
			socket.WriteMessage(websocket.TextMessage, []byte("1"))
			socket.Close()
		} else {
			done <- session(socket, messages)
		}
	}))
	return <-done
}
