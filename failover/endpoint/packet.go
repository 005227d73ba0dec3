package endpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The errors that clients are refused with. A server's number says the same as
// it does there; ER_… and CR_… are MySQL's names for them.
const (
	tooManyConnections = 1040 // ER_CON_COUNT_ERROR
	hostNotPrivileged  = 1130 // ER_HOST_NOT_PRIVILEGED
	serverShutdown     = 1053 // ER_SERVER_SHUTDOWN
	cannotConnect      = 2003 // CR_CONN_HOST_ERROR, which MySQL Router sends too
)

const (
	packetHeader  = 4
	protocol10    = 10
	errorMark     = 0xff
	largestPacket = 4 << 10 // of a greeting; some 80 bytes are usual
)

// refusal is an error packet in the place of the server's greeting, where its
// form has no SQL state yet (MySQL's protocol: ERR_Packet).
func refusal(code uint16, message string) []byte {
	const most = 512 // bytes of a message, as the server's MYSQL_ERRMSG_SIZE
	if len(message) > most {
		message = message[:most]
	}
	payload := binary.LittleEndian.AppendUint16([]byte{errorMark}, code)
	payload = append(payload, message...)
	n := len(payload)
	return append([]byte{byte(n), byte(n >> 8), byte(n >> 16), 0}, payload...)
}

// A greeting is the first packet of a server.
type greeting struct {
	packet []byte
	// connection is the server's number of the connection; 0 where the packet is an
	// error.
	connection uint32
	// refused is the server's error message where the packet is an error.
	refused string
}

// readGreeting reads the first packet of a server (MySQL's protocol:
// HandshakeV10), and nothing beyond it.
func readGreeting(from io.Reader) (greeting, error) {
	var header [packetHeader]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		return greeting{}, err
	}
	n := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	if n == 0 || n > largestPacket {
		return greeting{}, fmt.Errorf("what comes is no greeting of a MySQL server: a packet of %d bytes", n)
	}
	packet := make([]byte, packetHeader+n)
	copy(packet, header[:])
	if _, err := io.ReadFull(from, packet[packetHeader:]); err != nil {
		return greeting{}, err
	}
	return parseGreeting(packet)
}

func parseGreeting(packet []byte) (greeting, error) {
	g := greeting{packet: packet}
	payload := packet[packetHeader:]
	switch payload[0] {
	case errorMark:
		if len(payload) < 3 {
			return greeting{}, errors.New("what comes is an error packet that breaks off")
		}
		g.refused = fmt.Sprintf("error %d: %s", binary.LittleEndian.Uint16(payload[1:]), payload[3:])
		return g, nil
	case protocol10:
		_, rest, found := bytes.Cut(payload[1:], []byte{0}) // the version is before it
		if !found || len(rest) < 4 {
			return greeting{}, errors.New("what comes is a greeting that breaks off")
		}
		g.connection = binary.LittleEndian.Uint32(rest)
		return g, nil
	}
	return greeting{}, fmt.Errorf("what comes is no greeting of a MySQL server: protocol %d", payload[0])
}
