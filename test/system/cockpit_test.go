// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// loginCockpit logs in as a browser does, each time at a cockpit-ws of its own. cockpit-session
// records itself on the line "web console", which all have, and its child is the bridge, which
// runs what the browser asks for.
func loginCockpit(t *testing.T, n int) *session {
	t.Helper()
	port := 9090 + n
	server := daemon(t, "/usr/lib/cockpit/cockpit-ws", "--no-tls", "--address=127.0.0.1", fmt.Sprintf("--port=%d", port))
	waitPort(t, port)
	before := entries(t)
	page := dialCockpit(t, port)
	s := &session{client: server, server: server, enter: page.enter}
	s.entry = awaitUser(t, before, anyRecord)
	waitFor(t, generous, "cockpit's bridge", func() bool { return len(children(int(s.entry.PID))) > 0 })
	s.shell = childOf(t, int(s.entry.PID))
	return s
}

// cockpit is the browser's end of a session.
type cockpit struct {
	conn     net.Conn
	channels int
}

func dialCockpit(t *testing.T, port int) *cockpit {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", port)
	ask := func(conn net.Conn, path string, header http.Header) *http.Response {
		t.Helper()
		req, err := http.NewRequest("GET", "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		if err := req.Write(conn); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReaderSize(conn, 1), req)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	login := ask(dial(), "/cockpit/login", http.Header{"Authorization": {"Basic YWxpY2U6YWxpY2U="}}) // alice:alice
	if login.StatusCode != http.StatusOK || len(login.Cookies()) == 0 {
		body, _ := io.ReadAll(login.Body)
		t.Fatalf("cockpit's login: %s\n%s", login.Status, body)
	}
	conn := dial()
	socket := ask(conn, "/cockpit/socket", http.Header{
		"Cookie": {login.Cookies()[0].Name + "=" + login.Cookies()[0].Value}, "Origin": {"http://" + address},
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {"cockpit1"},
	})
	if socket.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("cockpit's socket: %s", socket.Status)
	}
	c := &cockpit{conn: conn}
	c.control(t, map[string]any{"command": "init", "version": 1, "host": "localhost"})
	go io.Copy(io.Discard, conn)
	return c
}

// enter runs a line as the page's terminal would; "exit" is its button Log Out.
func (c *cockpit) enter(t *testing.T, line string) {
	t.Helper()
	if line == "exit" {
		c.control(t, map[string]any{"command": "logout", "disconnect": true})
		return
	}
	c.channels++
	c.control(t, map[string]any{"command": "open", "channel": fmt.Sprint(c.channels), "payload": "stream", "spawn": []string{"sh", "-c", line}})
}

// control sends a message of cockpit's protocol, as one masked frame of RFC 6455.
func (c *cockpit) control(t *testing.T, message map[string]any) {
	t.Helper()
	text, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	text = append([]byte("\n"), text...)                                          // the empty channel
	frame := binary.BigEndian.AppendUint16([]byte{0x81, 0xfe}, uint16(len(text))) // a text, its length in two bytes
	frame = append(append(frame, 0, 0, 0, 0), text...)                            // the mask
	if _, err := c.conn.Write(frame); err != nil {
		t.Fatal(err)
	}
}
