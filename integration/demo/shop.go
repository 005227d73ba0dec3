package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
)

// How much there is in the shop when it opens.
const (
	products  = 800
	customers = 2000
)

// shopUser is the account of the shop's application. It is created on the leader and gets to the followers as
// everything else does.
const (
	shopUser     = "shop"
	shopPassword = "open-all-day"
)

// schema is the shop: foreign keys, one of them cascading, JSON, generated columns, a full-text index, and a table
// without any key, where a row applied twice would show.
var schema = []string{
	"CREATE DATABASE shop DEFAULT CHARACTER SET utf8mb4",
	`CREATE TABLE shop.customers (
		id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
		email VARCHAR(120) NOT NULL UNIQUE,
		name VARCHAR(80) NOT NULL,
		orders INT UNSIGNED NOT NULL DEFAULT 0,
		joined_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6))`,
	`CREATE TABLE shop.products (
		id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
		name VARCHAR(80) NOT NULL,
		description TEXT NOT NULL,
		price DECIMAL(8,2) NOT NULL,
		attributes JSON NOT NULL,
		colour VARCHAR(20) GENERATED ALWAYS AS (attributes->>'$.colour') STORED,
		KEY (colour), FULLTEXT KEY (name, description))`,
	`CREATE TABLE shop.stock (
		product_id INT UNSIGNED PRIMARY KEY,
		on_hand INT NOT NULL,
		changed_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
		FOREIGN KEY (product_id) REFERENCES shop.products (id))`,
	`CREATE TABLE shop.orders (
		id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
		reference CHAR(9) NOT NULL UNIQUE,
		customer_id INT UNSIGNED NOT NULL,
		status ENUM('placed','paid','shipped') NOT NULL DEFAULT 'placed',
		total DECIMAL(10,2) NOT NULL,
		shipping JSON NOT NULL,
		placed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
		KEY (customer_id), FOREIGN KEY (customer_id) REFERENCES shop.customers (id))`,
	`CREATE TABLE shop.order_items (
		order_id BIGINT UNSIGNED NOT NULL,
		line TINYINT UNSIGNED NOT NULL,
		product_id INT UNSIGNED NOT NULL,
		quantity SMALLINT UNSIGNED NOT NULL,
		price DECIMAL(8,2) NOT NULL,
		PRIMARY KEY (order_id, line), KEY (product_id),
		FOREIGN KEY (order_id) REFERENCES shop.orders (id), FOREIGN KEY (product_id) REFERENCES shop.products (id))`,
	`CREATE TABLE shop.carts (
		id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
		customer_id INT UNSIGNED NOT NULL,
		KEY (customer_id), FOREIGN KEY (customer_id) REFERENCES shop.customers (id))`,
	`CREATE TABLE shop.cart_items (
		cart_id BIGINT UNSIGNED NOT NULL,
		product_id INT UNSIGNED NOT NULL,
		PRIMARY KEY (cart_id, product_id), KEY (product_id),
		FOREIGN KEY (cart_id) REFERENCES shop.carts (id) ON DELETE CASCADE,
		FOREIGN KEY (product_id) REFERENCES shop.products (id))`,
	`CREATE TABLE shop.reviews (
		id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
		product_id INT UNSIGNED NOT NULL,
		customer_id INT UNSIGNED NOT NULL,
		stars TINYINT UNSIGNED NOT NULL,
		body TEXT NOT NULL,
		KEY (product_id), FOREIGN KEY (product_id) REFERENCES shop.products (id),
		FOREIGN KEY (customer_id) REFERENCES shop.customers (id))`,
	"CREATE TABLE shop.page_views (product_id INT UNSIGNED NOT NULL, referrer VARCHAR(20) NOT NULL, hour TINYINT NOT NULL)",
	fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", shopUser, shopPassword),
	fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO '%s'@'%%'", shopUser),
}

var (
	adjectives = []string{"light", "sturdy", "folding", "waterproof", "quiet", "warm", "small", "striped", "café-style", "everyday"}
	nouns      = []string{"lamp", "rucksack", "kettle", "chair", "notebook", "jacket", "bicycle bell", "teapot", "radio", "tent"}
	materials  = []string{"oak", "wool", "steel", "linen", "cork", "glass", "bamboo", "leather"}
	colours    = []string{"red", "green", "blue", "grün-weiß", "black", "赤", "sand"}
	referrers  = []string{"search", "mail", "friend", "direct"}
)

func pick(from []string) string { return from[rand.IntN(len(from))] }

// stockUp creates the shop on the leader and fills it.
func stockUp(ctx context.Context, db *sql.DB) error {
	for _, statement := range schema {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("create the shop: %.60s: %w", statement, err)
		}
	}
	fill := func(insert string, n int, row func(i int) string) error {
		const batch = 200
		for from := 1; from <= n; from += batch {
			var rows []string
			for i := from; i < from+batch && i <= n; i++ {
				rows = append(rows, row(i))
			}
			if _, err := db.ExecContext(ctx, insert+" VALUES "+strings.Join(rows, ",")); err != nil {
				return fmt.Errorf("fill the shop: %s: %w", insert, err)
			}
		}
		return nil
	}
	if err := fill("INSERT INTO shop.customers (email, name)", customers, func(i int) string {
		return fmt.Sprintf("('customer%d@example.com', 'Customer %d')", i, i)
	}); err != nil {
		return err
	}
	if err := fill("INSERT INTO shop.products (name, description, price, attributes)", products, func(i int) string {
		adjective, noun, material := pick(adjectives), pick(nouns), pick(materials)
		return fmt.Sprintf(`('%s %s no %d', 'A %s %s made of %s, for people who like %s.', %d.%02d, '{"colour": "%s", "material": "%s", "grams": %d}')`,
			adjective, noun, i, adjective, noun, material, material, 1+rand.IntN(200), rand.IntN(100), pick(colours), material, 50+rand.IntN(5000))
	}); err != nil {
		return err
	}
	return fill("INSERT INTO shop.stock (product_id, on_hand)", products, func(i int) string { return fmt.Sprintf("(%d, 1000000)", i) })
}
