// Package report works out what the reports say: when the site was up and who
// served it, and which hours, days or months a report is divided into. It is
// pure: what the appliances recorded is handed in. It reads no database and
// decides nothing about the pair.
//
// Start reading at Judge.
package report
