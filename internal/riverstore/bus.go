package riverstore

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/riverqueue/river/riverdriver"
)

// busBacklog is how many notifications may wait for the listener. More are
// dropped: a notification only hastens what polling would find.
const busBacklog = 1024

// insertTopic is the topic on which River's producers hear of new tickets.
const insertTopic = "river_insert"

// Bus carries River's notifications between the parts of one process, in place
// of a database's own. The zero value is not usable; call [NewBus].
type Bus struct {
	notifications chan *riverdriver.Notification
}

// NewBus returns a bus for one [Runner].
func NewBus() *Bus {
	return &Bus{notifications: make(chan *riverdriver.Notification, busBacklog)}
}

// Wake tells the queue's producer that there is a ticket. It never blocks.
func (b *Bus) Wake(queue string) {
	payload, err := json.Marshal(struct {
		Queue string `json:"queue"`
	}{queue})
	if err != nil {
		return // a string always marshals
	}
	b.publish(insertTopic, string(payload))
}

func (b *Bus) publish(topic, payload string) {
	select {
	case b.notifications <- &riverdriver.Notification{Topic: topic, Payload: payload}:
	default:
	}
}

// busListener is River's view of the bus.
type busListener struct {
	bus *Bus

	mu        sync.Mutex
	connected bool
	topics    map[string]bool
}

var _ riverdriver.Listener = (*busListener)(nil)

var errNotConnected = errors.New("the listener is not connected")

func (l *busListener) Connect(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.connected {
		return errors.New("the listener is connected already")
	}
	l.connected, l.topics = true, make(map[string]bool)
	return nil
}

func (l *busListener) Close(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connected, l.topics = false, nil
	return nil
}

func (l *busListener) Listen(_ context.Context, topic string) error {
	return l.subscribe(topic, true)
}

func (l *busListener) Unlisten(_ context.Context, topic string) error {
	return l.subscribe(topic, false)
}

func (l *busListener) subscribe(topic string, on bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.connected {
		return errNotConnected
	}
	l.topics[topic] = on
	return nil
}

func (l *busListener) Ping(context.Context) error { return nil }
func (l *busListener) Schema() string             { return "" }
func (l *busListener) SetAfterConnectExec(string) {}

func (l *busListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case n := <-l.bus.notifications:
			l.mu.Lock()
			wanted := l.topics[n.Topic]
			l.mu.Unlock()
			if wanted {
				return n, nil
			}
		}
	}
}
