// The service worker shows what the server pushes, and opens the page on a click.

self.addEventListener('push', (ev) => {
  const news = ev.data ? ev.data.json() : {title: 'Harken', body: 'There is news.'};
  ev.waitUntil(self.registration.showNotification(news.title, {body: news.body, tag: 'harken'}));
});

self.addEventListener('notificationclick', (ev) => {
  ev.notification.close();
  ev.waitUntil(self.clients.openWindow('/'));
});
