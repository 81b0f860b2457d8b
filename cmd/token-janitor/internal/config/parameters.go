package config

import (
	"fmt"
	"regexp"
	"strings"
)

// handling is what becomes of a parameter.
type handling int

const (
	toServer handling = iota // a setting of the session
	toDriver                 // pgx takes it
	honoured                 // by us, in a Database
	ignored                  // it changes nothing here
	refused                  // without it the connection would be less safe than asked for, or not come about
)

// parameter is one that the client takes, in libpq or in a driver of Python.
type parameter struct {
	handling
	variable string // of the environment
}

// parameters are all of libpq 18, and those of SQLAlchemy's drivers. Any other name is a
// setting of the server.
var parameters = map[string]parameter{
	"service":                   {toDriver, "PGSERVICE"},
	"servicefile":               {toDriver, "PGSERVICEFILE"},
	"user":                      {toDriver, "PGUSER"},
	"password":                  {toDriver, "PGPASSWORD"},
	"passfile":                  {toDriver, "PGPASSFILE"},
	"channel_binding":           {toDriver, "PGCHANNELBINDING"},
	"connect_timeout":           {toDriver, "PGCONNECT_TIMEOUT"},
	"dbname":                    {toDriver, "PGDATABASE"},
	"host":                      {honoured, "PGHOST"},
	"hostaddr":                  {honoured, "PGHOSTADDR"},
	"port":                      {honoured, "PGPORT"},
	"client_encoding":           {ignored, "PGCLIENTENCODING"}, // we speak UTF-8
	"options":                   {toServer, "PGOPTIONS"},
	"application_name":          {toServer, "PGAPPNAME"},
	"timezone":                  {toServer, "PGTZ"},
	"fallback_application_name": {honoured, ""},
	"keepalives":                {honoured, ""},
	"keepalives_idle":           {honoured, ""},
	"keepalives_interval":       {honoured, ""},
	"keepalives_count":          {honoured, ""},
	"tcp_user_timeout":          {honoured, ""},
	"sslmode":                   {toDriver, "PGSSLMODE"},
	"sslnegotiation":            {toDriver, "PGSSLNEGOTIATION"},
	"sslcompression":            {ignored, "PGSSLCOMPRESSION"},
	"sslcert":                   {toDriver, "PGSSLCERT"},
	"sslkey":                    {toDriver, "PGSSLKEY"},
	"sslcertmode":               {toDriver, "PGSSLCERTMODE"},
	"sslpassword":               {toDriver, ""},
	"sslrootcert":               {toDriver, "PGSSLROOTCERT"},
	"sslcrl":                    {refused, "PGSSLCRL"},
	"sslcrldir":                 {refused, "PGSSLCRLDIR"},
	"sslsni":                    {toDriver, "PGSSLSNI"},
	"sslkeylogfile":             {ignored, ""},
	"requirepeer":               {refused, "PGREQUIREPEER"},
	"require_auth":              {toDriver, "PGREQUIREAUTH"},
	"min_protocol_version":      {toDriver, "PGMINPROTOCOLVERSION"},
	"max_protocol_version":      {toDriver, "PGMAXPROTOCOLVERSION"},
	"ssl_min_protocol_version":  {honoured, "PGSSLMINPROTOCOLVERSION"},
	"ssl_max_protocol_version":  {honoured, "PGSSLMAXPROTOCOLVERSION"},
	"gssencmode":                {honoured, "PGGSSENCMODE"},
	"krbsrvname":                {toDriver, "PGKRBSRVNAME"},
	"krbspn":                    {toDriver, ""}, // pgx's own
	"gsslib":                    {ignored, "PGGSSLIB"},
	"gssdelegation":             {ignored, "PGGSSDELEGATION"},
	"replication":               {honoured, ""},
	"target_session_attrs":      {toDriver, "PGTARGETSESSIONATTRS"},
	"load_balance_hosts":        {honoured, "PGLOADBALANCEHOSTS"},
	"scram_client_key":          {refused, ""},
	"scram_server_key":          {refused, ""},
	"oauth_issuer":              {refused, ""},
	"oauth_client_id":           {refused, ""},
	"oauth_client_secret":       {refused, ""},
	"oauth_scope":               {refused, ""},

	"ssl_context": {refused, ""}, // of pg8000: what Python would verify with

	// How we prepare statements and pool connections is not for the URL to say.
	"async_fallback":                {ignored, ""},
	"async_creator_fn":              {ignored, ""},
	"autocommit":                    {ignored, ""},
	"command_timeout":               {ignored, ""},
	"connection_class":              {ignored, ""},
	"connection_factory":            {ignored, ""},
	"cursor_factory":                {ignored, ""},
	"default_query_exec_mode":       {ignored, ""},
	"description_cache_capacity":    {ignored, ""},
	"json_deserializer":             {ignored, ""},
	"json_serializer":               {ignored, ""},
	"max_cacheable_statement_size":  {ignored, ""},
	"max_cached_statement_lifetime": {ignored, ""},
	"max_size":                      {ignored, ""},
	"min_size":                      {ignored, ""},
	"plugin":                        {ignored, ""},
	"pool_health_check_period":      {ignored, ""},
	"pool_max_conn_idle_time":       {ignored, ""},
	"pool_max_conn_lifetime":        {ignored, ""},
	"pool_max_conn_lifetime_jitter": {ignored, ""},
	"pool_max_conns":                {ignored, ""},
	"pool_min_conns":                {ignored, ""},
	"pool_min_idle_conns":           {ignored, ""},
	"prepare_threshold":             {ignored, ""},
	"prepared_statement_cache_size": {ignored, ""},
	"prepared_statement_name_func":  {ignored, ""},
	"record_class":                  {ignored, ""},
	"row_factory":                   {ignored, ""},
	"source_address":                {ignored, ""},
	"statement_cache_capacity":      {ignored, ""},
	"statement_cache_size":          {ignored, ""},
	"tcp_keepalive":                 {ignored, ""},
	"timeout":                       {ignored, ""},
}

// canonical is libpq's name of a parameter.
func canonical(name string) string {
	if name == "database" {
		return "dbname"
	}
	return name
}

// parameterName is what the name of a parameter or of a setting looks like. One of another shape may be
// the end of a password, and is not shown.
var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.$]*$`)

// checkName refuses a name that is none, or that is a slip away from a parameter's. No
// setting of a server (up to PostgreSQL 18) is as near to one.
func checkName(name string) error {
	if !parameterName.MatchString(name) {
		return fmt.Errorf("the name of a parameter in it is not made of letters, digits and _")
	}
	plain := strings.NewReplacer("_", "", ".", "")
	for _, known := range knownParameters() {
		if strings.EqualFold(plain.Replace(name), plain.Replace(known)) || slips(name, known) <= 1+len(known)/8 {
			return fmt.Errorf("the database URL has an unknown parameter %s: did you mean %s?", name, known)
		}
	}
	return nil
}
