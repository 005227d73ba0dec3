package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// acts is what a writing customer does in turn, each a transaction.
var acts = []struct {
	what string
	do   func(l *load, ctx context.Context) error
}{
	{"place an order", (*load).placeOrder},
	{"view pages", (*load).viewPages},
	{"place an order", (*load).placeOrder},
	{"write a review", (*load).writeReview},
	{"place an order", (*load).placeOrder},
	{"pay an order", (*load).payOrder},
	{"fill a cart", (*load).fillCart},
	{"place an order", (*load).placeOrder},
	{"view pages", (*load).viewPages},
	{"leave a cart", (*load).leaveCart},
}

func anyProduct() int  { return 1 + rand.IntN(products) }
func anyCustomer() int { return 1 + rand.IntN(customers) }

// in runs statements as one transaction on the leader.
func (l *load) in(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := l.leader.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback() // the first error counts
		return err
	}
	return tx.Commit()
}

// order is what its customer knows of it. The reference is the customer's own: an answer that was lost can be asked for.
type order struct {
	reference string
	customer  int
	products  []int // in the order in which all take locks
	cents     []int // what each of them costs
	id        int64 // as the leader has numbered it; 0 while the customer doesn't know
}

// total is what the order costs, as the table has it.
func (o order) total() string {
	sum := 0
	for _, c := range o.cents {
		sum += c
	}
	return money(sum)
}

// newOrder orders one to four products.
func (l *load) newOrder() order {
	o := order{reference: fmt.Sprintf("R%08d", l.references.Add(1)), customer: anyCustomer()}
	for range 1 + rand.IntN(4) {
		if id := anyProduct(); !slices.Contains(o.products, id) {
			o.products, o.cents = append(o.products, id), append(o.cents, 100+rand.IntN(20_000))
		}
	}
	slices.Sort(o.products)
	return o
}

// placeOrder places a new order. Where its answer is lost, the customer looks whether it was placed, and places it again
// if not. What is acknowledged is kept, to be looked for everywhere at the end.
func (l *load) placeOrder(ctx context.Context) error {
	o := l.newOrder()
	err := l.place(ctx, &o)
	for err != nil {
		if err = l.bear(ctx, err); err != nil {
			return err
		}
		var there bool
		if there, err = l.isPlaced(ctx, &o); there {
			l.found.Add(1)
		} else if err == nil {
			if err = l.place(ctx, &o); err == nil {
				l.again.Add(1)
			}
		}
	}
	l.acknowledge(o)
	return nil
}

// place is one attempt.
func (l *load) place(ctx context.Context, o *order) error {
	return l.in(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, "INSERT INTO orders (reference, customer_id, total, shipping) VALUES (?, ?, ?, JSON_OBJECT('city', ?, 'express', ?))",
			o.reference, o.customer, o.total(), pick(colours)+" city", rand.IntN(2) == 0)
		if err != nil {
			return err
		}
		if o.id, err = r.LastInsertId(); err != nil {
			return err
		}
		var lines, ids []string
		for i, id := range o.products {
			ids = append(ids, fmt.Sprint(id))
			lines = append(lines, fmt.Sprintf("(%d, %d, %d, 1, %s)", o.id, i+1, id, money(o.cents[i])))
		}
		for _, statement := range []string{
			"INSERT INTO order_items (order_id, line, product_id, quantity, price) VALUES " + strings.Join(lines, ", "),
			"UPDATE stock SET on_hand = on_hand - 1 WHERE product_id IN (" + strings.Join(ids, ", ") + ")",
			fmt.Sprintf("UPDATE customers SET orders = orders + 1 WHERE id = %d", o.customer),
		} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// isPlaced looks for an order whose answer was lost.
func (l *load) isPlaced(ctx context.Context, o *order) (bool, error) {
	o.id = 0
	err := l.leader.QueryRowContext(ctx, "SELECT id FROM orders WHERE reference = ?", o.reference).Scan(&o.id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func money(cents int) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

// viewPages writes equal rows into a table without a key, and now and then removes some of them.
func (l *load) viewPages(ctx context.Context) error {
	product, referrer := 1+rand.IntN(50), pick(referrers)
	if rand.IntN(25) == 0 {
		_, err := l.leader.ExecContext(ctx, "DELETE FROM page_views WHERE product_id = ? LIMIT 2", product)
		return err
	}
	_, err := l.leader.ExecContext(ctx, "INSERT INTO page_views VALUES (?, ?, 9), (?, ?, 9), (?, ?, 10)",
		product, referrer, product, referrer, product, referrer)
	return err
}

func (l *load) writeReview(ctx context.Context) error {
	_, err := l.leader.ExecContext(ctx, "INSERT INTO reviews (product_id, customer_id, stars, body) VALUES (?, ?, ?, ?)",
		anyProduct(), anyCustomer(), 1+rand.IntN(5), "It is "+pick(adjectives)+", and it smells of "+pick(materials)+". 👍")
	return err
}

// payOrder changes one key of a JSON document of one of the last orders.
func (l *load) payOrder(ctx context.Context) error {
	newest := l.newest.Load()
	_, err := l.leader.ExecContext(ctx, "UPDATE orders SET status = 'paid', shipping = JSON_SET(shipping, '$.parcel', ?) WHERE id = ?",
		rand.IntN(1_000_000), max(1, newest-int64(rand.IntN(200))))
	return err
}

func (l *load) fillCart(ctx context.Context) error {
	return l.in(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, "INSERT INTO carts (customer_id) VALUES (?)", anyCustomer())
		if err != nil {
			return err
		}
		cart, err := r.LastInsertId()
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO cart_items VALUES (?, ?), (?, ?)", cart, 1+rand.IntN(products/2), cart, products/2+1+rand.IntN(products/2))
		return err
	})
}

// leaveCart removes an older cart; its items go by the foreign key's cascade.
func (l *load) leaveCart(ctx context.Context) error {
	var cart sql.NullInt64
	if err := l.leader.QueryRowContext(ctx, "SELECT MAX(id) FROM carts").Scan(&cart); err != nil {
		return err
	}
	_, err := l.leader.ExecContext(ctx, "DELETE FROM carts WHERE id = ?", max(1, cart.Int64-int64(rand.IntN(300))))
	return err
}

// lookAround is one query of a customer on a follower; n says which. One in four asks for the order that the leader
// acknowledged last, which may not be there yet.
func (l *load) lookAround(ctx context.Context, db *sql.DB, n int) error {
	var found int64
	switch n % 4 {
	case 0:
		return readAll(ctx, db, "SELECT id FROM products WHERE MATCH (name, description) AGAINST (?) LIMIT 10", pick(nouns)+" "+pick(materials))
	case 1:
		return readAll(ctx, db, "SELECT id, stars, body FROM reviews WHERE product_id = ? ORDER BY id DESC LIMIT 10", anyProduct())
	case 2:
		return readAll(ctx, db, "SELECT p.id, s.on_hand FROM products p JOIN stock s ON s.product_id = p.id WHERE p.colour = ? LIMIT 10", pick(colours))
	}
	newest := l.newest.Load()
	if newest == 0 {
		return nil
	}
	err := db.QueryRowContext(ctx, "SELECT id FROM orders WHERE id = ?", newest).Scan(&found)
	if errors.Is(err, sql.ErrNoRows) {
		l.notYet.Add(1)
		err = nil
	}
	if err == nil {
		l.looked.Add(1)
	}
	return err
}

// readAll reads a result to its end.
func readAll(ctx context.Context, db *sql.DB, query string, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}
