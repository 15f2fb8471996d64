(function () {
  "use strict";
  function find(id) { return document.getElementById(id); }
  function all(selector) { return Array.prototype.slice.call(document.querySelectorAll(selector)); }

  // Folded sections: opened by a link to them, and on paper.
  function unfold() {
    var target = location.hash && find(decodeURIComponent(location.hash.slice(1)));
    var details = target && target.querySelector("details");
    if (details) { details.open = true; }
  }
  addEventListener("hashchange", unfold);
  unfold();
  addEventListener("beforeprint", function () {
    all("details").forEach(function (one) { one.open = true; });
  });

  var list = document.querySelector("ol.errors");
  if (!list) { return; }
  var boxes = {kind: find("kind"), gold: find("gold"), predicted: find("predicted")};
  var keys = Object.keys(boxes), words = find("words"), order = find("order"), more = find("more");
  var items = Array.prototype.slice.call(list.children), sorted = items;
  var step = Number(list.dataset.step), most = step;

  function filter() {
    var wanted = words.value.trim().toLowerCase(), found = 0;
    sorted.forEach(function (item) {
      var fits = keys.every(function (key) {
        return !boxes[key].value || item.dataset[key] === boxes[key].value;
      }) && (!wanted || item.firstChild.textContent.toLowerCase().indexOf(wanted) >= 0);
      if (fits) { found += 1; }
      item.hidden = !fits || found > most;
    });
    find("shown").textContent = (found < items.length ? found.toLocaleString("en") + " of " : "") +
      items.length.toLocaleString("en") + " errors" +
      (found > most ? ", the first " + most.toLocaleString("en") + " shown" : "");
    more.hidden = found <= most;
  }
  function changed() { most = step; filter(); }
  function sort() {
    sorted = items.slice();
    if (order.value) {  // what was missed has no score and comes last
      sorted.sort(function (a, b) { return (b.dataset.score || -1) - (a.dataset.score || -1); });
    }
    sorted.forEach(function (item) { list.appendChild(item); });
    changed();
  }
  keys.forEach(function (key) { boxes[key].addEventListener("change", changed); });
  words.addEventListener("input", changed);
  order.addEventListener("change", sort);
  more.addEventListener("click", function () { most += step; filter(); });
  find("filters").addEventListener("submit", function (event) { event.preventDefault(); });
  find("filters").addEventListener("reset", function () { setTimeout(sort); });
  changed();

  // Numbers of errors: a click lists them.
  function wanted(finds, label, column) {
    if (finds === "pair") { return {kind: "", gold: label, predicted: column}; }
    var spurious = column === "spurious";
    return {kind: column, gold: spurious ? "" : label, predicted: spurious ? label : ""};
  }
  all("table[data-finds]").forEach(function (table) {
    var columns = Array.prototype.slice.call(table.tHead.rows[0].cells);
    var pairs = table.dataset.finds === "pair";
    Array.prototype.forEach.call(table.tBodies[0].rows, function (row) {
      var name = row.className === "total" ? "" : row.cells[0].dataset.name;
      Array.prototype.slice.call(row.cells, 1).forEach(function (cell, i) {
        var column = columns[i + 1].textContent, sum = !pairs && i + 2 === columns.length;
        if (cell.textContent === "0" || sum || (pairs && column === name)) { return; }
        var button = document.createElement("button");
        button.type = "button";
        button.textContent = cell.textContent;
        button.title = "list these errors";
        cell.textContent = "";
        cell.appendChild(button);
        button.addEventListener("click", function () {
          var values = wanted(table.dataset.finds, name, column);
          words.value = "";
          keys.forEach(function (key) { boxes[key].value = values[key]; });
          changed();
          find("every-error").scrollIntoView();
          boxes.kind.focus({preventScroll: true});
        });
      });
    });
  });
})();
