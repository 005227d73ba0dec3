package mysqltest

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// listingQueries give what DDL and account statements leave outside of schemas. The account of baton itself is made on
// each server by itself, with another salt. Who granted a privilege is left out: a follower that baton applies to has
// baton's account there.
var listingQueries = map[string]string{
	"accounts":                  "SELECT * FROM mysql.user WHERE user <> '" + User + "'",
	"privileges on schemas":     "SELECT * FROM mysql.db WHERE user <> '" + User + "'",
	"privileges on tables":      "SELECT host, db, user, table_name, table_priv, column_priv FROM mysql.tables_priv WHERE user <> '" + User + "'",
	"privileges on columns":     "SELECT * FROM mysql.columns_priv WHERE user <> '" + User + "'",
	"privileges on routines":    "SELECT host, db, user, routine_name, routine_type, proc_priv FROM mysql.procs_priv WHERE user <> '" + User + "'",
	"dynamic privileges":        "SELECT * FROM mysql.global_grants WHERE user <> '" + User + "'",
	"proxies":                   "SELECT host, user, proxied_host, proxied_user, with_grant FROM mysql.proxies_priv WHERE user <> '" + User + "'",
	"roles":                     "SELECT * FROM mysql.role_edges",
	"default roles":             "SELECT * FROM mysql.default_roles",
	"former passwords":          "SELECT * FROM mysql.password_history WHERE user <> '" + User + "'",
	"servers":                   "SELECT * FROM mysql.servers",
	"loadable functions":        "SELECT * FROM mysql.func",
	"resource groups":           "SELECT * FROM information_schema.resource_groups",
	"spatial reference systems": "SELECT * FROM information_schema.st_spatial_reference_systems WHERE IFNULL(organization, '') <> 'EPSG'",
	"histograms": `SELECT schema_name, table_name, column_name, JSON_REMOVE(histogram, '$."last-updated"')
		FROM information_schema.column_statistics`,
	"tablespaces": "SELECT name, row_format, page_size, zip_page_size, encryption FROM information_schema.innodb_tablespaces WHERE space_type = 'General'",

	"schedules of events": "SELECT event_schema, event_name, status, starts, ends, execute_at FROM information_schema.events",
}

// list is the answer to each of listingQueries, as sorted lines.
func list(ctx context.Context, conn *sql.Conn) (map[string][]string, error) {
	listings := map[string][]string{}
	for what, query := range listingQueries {
		rows, err := textRows(ctx, conn, query)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", what, err)
		}
		lines := make([]string, len(rows))
		for i, row := range rows {
			for j := range row {
				row[j] = strconv.Quote(row[j])
			}
			lines[i] = strings.Join(row, ", ")
		}
		slices.Sort(lines)
		listings[what] = lines
	}
	return listings, nil
}
