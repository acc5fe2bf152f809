package broker

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"eventhub/internal/hub"
)

// Channel tells how many subscribers a channel has, on all hubs.
//
// Errors: CodeUnavailable.
func (b *Broker) Channel(ctx context.Context, channel string) (hub.ChannelStatus, error) {
	status := hub.ChannelStatus{Channel: channel}
	told, err := b.askOccupancy(ctx, "["+channel+" ", "("+channel+"!", 1)
	if err != nil {
		return status, err
	}
	status.Subscribers = int64(b.fan.members(channel)) // as it is now, not as it was told
	for name, members := range told {
		if name == b.name {
			continue
		}
		for _, member := range members {
			_, subscribers := parseOccupancy(member)
			status.Subscribers += subscribers
		}
	}
	return status, nil
}

// Channels lists the channels with subscribers whose name begins with prefix, by
// name, at most limit of those that come after a name and that are seen.
//
// Errors: CodeUnavailable.
func (b *Broker) Channels(ctx context.Context, prefix string, limit int, after string, seen func(string) bool) (hub.ChannelPage, error) {
	page := hub.ChannelPage{Channels: []hub.ChannelStatus{}}
	for some := limit + 1; ; some = channelsAtOnce {
		more, err := b.channelsAfter(ctx, prefix, some, after)
		if err != nil {
			return page, err
		}
		for _, channel := range more.Channels {
			if !seen(channel.Channel) {
				continue
			}
			if len(page.Channels) == limit {
				page.Next = page.Channels[limit-1].Channel
				return page, nil
			}
			page.Channels = append(page.Channels, channel)
		}
		if after = more.Next; after == "" {
			return page, nil
		}
	}
}

// channelsAtOnce is how many are read together, where many are not seen.
const channelsAtOnce = 1000

// channelsAfter is a page of all channels.
func (b *Broker) channelsAfter(ctx context.Context, prefix string, limit int, after string) (hub.ChannelPage, error) {
	from, to := "["+prefix, "("+prefix+"\xff"
	if after >= prefix {
		from = "(" + after + "!" // behind the blank, before what may be in a name
	}
	// Whatever is among the first of all is among the first of each hub.
	told, err := b.askOccupancy(ctx, from, to, limit+1)
	if err != nil {
		return hub.ChannelPage{}, err
	}
	all := map[string]int64{}
	for _, members := range told {
		for _, member := range members {
			channel, subscribers := parseOccupancy(member)
			all[channel] += subscribers
		}
	}
	page := hub.ChannelPage{Channels: make([]hub.ChannelStatus, 0, len(all))}
	for channel, subscribers := range all {
		page.Channels = append(page.Channels, hub.ChannelStatus{Channel: channel, Subscribers: subscribers})
	}
	slices.SortFunc(page.Channels, func(x, y hub.ChannelStatus) int { return strings.Compare(x.Channel, y.Channel) })
	if len(page.Channels) > limit {
		page.Channels = page.Channels[:limit]
		page.Next = page.Channels[limit-1].Channel
	}
	return page, nil
}

// askOccupancy reads what each live hub has told, within bounds of ZRANGEBYLEX.
func (b *Broker) askOccupancy(ctx context.Context, from, to string, limit int) (map[string][]string, error) {
	const doing = "counting subscribers"
	hubs := command("zrange", b.keys.hubs(), 0, -1)
	if err := b.work(ctx, b.keys.hubs(), hubs); err != nil {
		return nil, readFailure(err, doing)
	}
	names, err := hubs.StringSlice()
	if err != nil {
		return nil, readFailure(err, doing)
	}
	members := make([][]string, len(names))
	var group errgroup.Group
	for i, name := range names {
		group.Go(func() error { // each may be on another node
			key := b.keys.channels(name)
			cmd := command("zrangebylex", key, from, to, "limit", 0, limit)
			if err := b.work(ctx, key, cmd); err != nil {
				return err
			}
			list, err := cmd.StringSlice()
			members[i] = list
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, readFailure(err, doing)
	}
	told := make(map[string][]string, len(names))
	for i, name := range names {
		told[name] = members[i]
	}
	return told, nil
}
