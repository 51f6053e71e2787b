package riverstore

import (
	"context"
	"sync"
	"testing"

	"github.com/riverqueue/river/riverdriver"
	"github.com/stretchr/testify/require"
)

func connected(t *testing.T, bus *Bus, topics ...string) *busListener {
	t.Helper()
	l := &busListener{bus: bus}
	require.NoError(t, l.Connect(t.Context()))
	for _, topic := range topics {
		require.NoError(t, l.Listen(t.Context(), topic))
	}
	return l
}

func TestBusWakesAListener(t *testing.T) {
	bus := NewBus()
	l := connected(t, bus, insertTopic)
	bus.Wake(`odd "queue"`)
	n, err := l.WaitForNotification(t.Context())
	require.NoError(t, err)
	require.Equal(t, &riverdriver.Notification{Topic: "river_insert", Payload: `{"queue":"odd \"queue\""}`}, n)
}

func TestBusListenerHearsItsTopicsOnly(t *testing.T) {
	bus := NewBus()
	l := connected(t, bus, "a", "b", "c")
	require.NoError(t, l.Unlisten(t.Context(), "b"))
	for _, topic := range []string{"never", "b", "c", "a"} {
		bus.publish(topic, topic)
	}
	for _, want := range []string{"c", "a"} {
		n, err := l.WaitForNotification(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, n.Payload)
	}
	require.Empty(t, bus.notifications)
}

func TestBusNeverBlocks(t *testing.T) {
	bus := NewBus()
	for range 2 * busBacklog {
		bus.Wake("wasm")
	}
	require.Len(t, bus.notifications, busBacklog)
	l := connected(t, bus, insertTopic)
	for range busBacklog {
		_, err := l.WaitForNotification(t.Context())
		require.NoError(t, err)
	}
}

func TestBusListenerWaitEndsWithItsContext(t *testing.T) {
	l := connected(t, NewBus(), insertTopic)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n, err := l.WaitForNotification(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, n)
}

func TestBusListenerMustBeConnected(t *testing.T) {
	l := &busListener{bus: NewBus()}
	require.ErrorIs(t, l.Listen(t.Context(), "a"), errNotConnected)
	require.ErrorIs(t, l.Unlisten(t.Context(), "a"), errNotConnected)
	require.NoError(t, l.Close(t.Context()), "closing what is closed is no error")

	require.NoError(t, l.Connect(t.Context()))
	require.Error(t, l.Connect(t.Context()), "twice")
	require.NoError(t, l.Listen(t.Context(), "a"))
	require.NoError(t, l.Ping(t.Context()))
	require.Empty(t, l.Schema())
	require.NoError(t, l.Close(t.Context()))
	require.ErrorIs(t, l.Listen(t.Context(), "a"), errNotConnected)

	require.NoError(t, l.Connect(t.Context()), "River connects again after an error")
	l.bus.publish("a", "")
	l.bus.publish("b", "")
	require.NoError(t, l.Listen(t.Context(), "b"))
	n, err := l.WaitForNotification(t.Context())
	require.NoError(t, err)
	require.Equal(t, "b", n.Topic, "the topics of the last connection are forgotten")
}

func TestBusConcurrently(t *testing.T) {
	bus := NewBus()
	l := connected(t, bus, insertTopic)
	const wakers, each = 8, 100 // together below the backlog
	var group sync.WaitGroup
	for range wakers {
		group.Go(func() {
			for range each {
				bus.Wake("wasm")
				if err := l.Listen(t.Context(), "other"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range wakers * each {
		_, err := l.WaitForNotification(t.Context())
		require.NoError(t, err)
	}
	group.Wait()
}
